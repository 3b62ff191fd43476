/*
 * The wire: rate, delay, jitter, loss and a drop-tail queue between TUN devices of different network namespaces, in
 * user space, for kernels without netem. One process carries all the lines of a neighbourhood, and its radio.
 * lab/wire/wire.ts compiles it on first use, starts it, and speaks to it: one line in on stdin, one line out on stdout.
 * It ends when stdin does, and its devices with it. It must never alter, duplicate or reorder a packet.
 *
 *     wire NAME NS-A DEV-A NS-B DEV-B   two ways, each with a rate of its own: NAME.down from A to B, NAME.up back
 *     station NAME NS DEV ADDRESS       a device on a medium that is shared (one packet at a time, whoever sends it), at that IPv4 address
 *     set NAME[.WAY] key=value ...      rate (bit/s, 0: as fast as can be), delay, jitter (us), loss (0 to 1), queue (bytes)
 *     stall NAME[.WAY] | go NAME[.WAY]  nothing leaves the queue any more | it does again
 *     seed NUMBER                       of the dice
 *     counters                          all ways, as one line of JSON
 *
 *     TUN ── read ──► queue (drop-tail, bytes) ══ server: rate ══► flight (delay, in order) ── write ──► TUN
 *
 * Time is virtual where it matters: a packet starts when the one before it has ended, not when this process woke up, so
 * that late waking costs no rate.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum {
  MOST_WAYS = 64,
  MOST_PORTS = 64,
  MOST_PACKETS = 65536, /* in all queues and flights together; 100 MB */
  LARGEST_PACKET = 1600,
  BATCH = 256,      /* packets taken from one device before the others have a turn */
  LINE_BYTES = 4096 /* of a command */
};

/* Packets gather for this long before they are looked at: fewer wake-ups, and delays that are this much longer. */
static const int64_t QUANTUM_NS = 100000;
static const int64_t NEVER = INT64_MAX;

struct packet {
  struct packet *next;
  int64_t at; /* in the queue: when it came; in flight: when it is due */
  int to;     /* the device that it goes to */
  int length;
  unsigned char bytes[LARGEST_PACKET];
};

struct fifo {
  struct packet *head, *tail;
  int64_t bytes;
};

/* What sends one packet at a time: of a wire's way its own, of a radio one for all. */
struct server {
  int64_t free_at;
  int last; /* the way that had its turn */
};

struct way {
  char name[48];
  int server;
  double ns_per_byte;
  int64_t delay, jitter, queue_bytes;
  double loss;
  int stalled;
  struct fifo queue, flight;
  int64_t last_due;
  int64_t bytes, packets, lost, dropped, most_queued;
};

/* A device: where its packets go is either one other device, or that of their address on the radio. */
struct port {
  int fd;
  int way;
  int peer;
  char radio[32];
  uint32_t address;
};

static struct way ways[MOST_WAYS];
static struct server servers[MOST_WAYS];
static struct port ports[MOST_PORTS];
static int way_count, server_count, port_count;
static struct packet *spare;
static int packets_made;
static uint64_t dice = 0x9e3779b97f4a7c15ULL;
static int64_t unsent, worst_late;
static int home;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* 0 <= x < 1 */
static double roll(void) {
  dice ^= dice << 13;
  dice ^= dice >> 7;
  dice ^= dice << 17;
  return (double)(dice >> 11) / 9007199254740992.0;
}

static struct packet *new_packet(void) {
  struct packet *p = spare;
  if (p != NULL) {
    spare = p->next;
    return p;
  }
  if (packets_made == MOST_PACKETS) return NULL;
  packets_made += 1;
  return malloc(sizeof *p);
}

static void give_back(struct packet *p) {
  p->next = spare;
  spare = p;
}

static void push(struct fifo *f, struct packet *p) {
  p->next = NULL;
  if (f->tail != NULL) f->tail->next = p;
  else f->head = p;
  f->tail = p;
  f->bytes += p->length;
}

static struct packet *pop(struct fifo *f) {
  struct packet *p = f->head;
  f->head = p->next;
  if (f->head == NULL) f->tail = NULL;
  f->bytes -= p->length;
  return p;
}

/* The ways that wait for a server take turns. */
static struct way *next_turn(int server) {
  for (int i = 1; i <= way_count; i += 1) {
    int n = (servers[server].last + i) % way_count;
    struct way *w = &ways[n];
    if (w->server != server || w->queue.head == NULL || w->stalled) continue;
    servers[server].last = n;
    return w;
  }
  return NULL;
}

/* Sends all that has begun by now. */
static void serve(int server, int64_t now) {
  struct server *s = &servers[server];
  while (s->free_at <= now) {
    struct way *w = next_turn(server);
    if (w == NULL) return;
    struct packet *p = pop(&w->queue);
    int64_t start = p->at > s->free_at ? p->at : s->free_at;
    s->free_at = start + (int64_t)(p->length * w->ns_per_byte);
    if (w->loss > 0 && roll() < w->loss) {
      w->lost += 1;
      give_back(p);
      continue;
    }
    int64_t due = s->free_at + w->delay + (w->jitter > 0 ? (int64_t)(roll() * (double)w->jitter) : 0);
    w->last_due = p->at = due > w->last_due ? due : w->last_due;
    push(&w->flight, p);
  }
}

static void land(struct way *w, int64_t now) {
  while (w->flight.head != NULL && w->flight.head->at <= now) {
    struct packet *p = pop(&w->flight);
    if (now - p->at > worst_late) worst_late = now - p->at;
    if (write(p->to, p->bytes, (size_t)p->length) < 0) unsent += 1;
    w->bytes += p->length;
    w->packets += 1;
    give_back(p);
  }
}

/* The device that a packet is for; none when nobody on the radio has its address. */
static int destination(const struct port *from, const struct packet *p) {
  if (from->radio[0] == '\0') return ports[from->peer].fd;
  if (p->length < 20 || p->bytes[0] >> 4 != 4) return -1;
  uint32_t address;
  memcpy(&address, p->bytes + 16, sizeof address);
  for (int i = 0; i < port_count; i += 1)
    if (ports[i].address == address && strcmp(ports[i].radio, from->radio) == 0) return ports[i].fd;
  return -1;
}

static void take(const struct port *port, int64_t now) {
  static unsigned char overflow[LARGEST_PACKET];
  struct way *w = &ways[port->way];
  for (int i = 0; i < BATCH; i += 1) {
    struct packet *p = new_packet();
    ssize_t length = read(port->fd, p == NULL ? overflow : p->bytes, LARGEST_PACKET);
    if (length <= 0) {
      if (p != NULL) give_back(p);
      return;
    }
    if (p == NULL) {
      w->dropped += 1;
      continue;
    }
    p->length = (int)length;
    p->at = now;
    p->to = destination(port, p);
    if (p->to < 0 || w->queue.bytes + length > w->queue_bytes) {
      w->dropped += p->to < 0 ? 0 : 1;
      give_back(p);
      continue;
    }
    push(&w->queue, p);
    if (w->queue.bytes > w->most_queued) w->most_queued = w->queue.bytes;
  }
}

/* Setting up */

static void enter(const char *ns) {
  char file[128];
  snprintf(file, sizeof file, "/run/netns/%s", ns);
  int fd = open(file, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
    printf("error namespace %s: %s\n", ns, strerror(errno));
    exit(1);
  }
  close(fd);
}

static int open_tun(const char *ns, const char *device) {
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
  enter(ns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0) {
    printf("error device %s in %s: %s\n", device, ns, strerror(errno));
    exit(1);
  }
  if (setns(home, CLONE_NEWNET) != 0) exit(1);
  return fd;
}

static int new_way(const char *name, const char *side, int server) {
  struct way *w = &ways[way_count];
  snprintf(w->name, sizeof w->name, "%s.%s", name, side);
  w->server = server;
  w->queue_bytes = 1 << 18;
  return way_count++;
}

static int new_server(void) { return server_count++; }

static int new_port(int fd, int way) {
  ports[port_count] = (struct port){.fd = fd, .way = way};
  return port_count++;
}

static const char *add_wire(char *name, char *words[], int count) {
  if (count != 4) return "wire NAME NS-A DEV-A NS-B DEV-B";
  if (way_count + 2 > MOST_WAYS || port_count + 2 > MOST_PORTS) return "too many";
  int down = new_way(name, "down", new_server());
  int up = new_way(name, "up", new_server());
  int a = new_port(open_tun(words[0], words[1]), down);
  int b = new_port(open_tun(words[2], words[3]), up);
  ports[a].peer = b;
  ports[b].peer = a;
  return NULL;
}

static const char *add_station(char *name, char *words[], int count) {
  if (count != 3) return "station NAME NS DEV ADDRESS";
  if (way_count + 1 > MOST_WAYS || port_count + 1 > MOST_PORTS) return "too many";
  int server = -1;
  for (int i = 0; i < port_count; i += 1)
    if (strcmp(ports[i].radio, name) == 0) server = ways[ports[i].way].server;
  int p = new_port(open_tun(words[0], words[1]), new_way(name, words[2], server < 0 ? new_server() : server));
  snprintf(ports[p].radio, sizeof ports[p].radio, "%s", name);
  return inet_pton(AF_INET, words[2], &ports[p].address) == 1 ? NULL : "not an IPv4 address";
}

/* Commands */

static int is_named(const struct way *w, const char *name) {
  size_t length = strlen(name);
  return strncmp(w->name, name, length) == 0 && (w->name[length] == '\0' || w->name[length] == '.');
}

static const char *set(struct way *w, const char *key, double value) {
  if (value < 0) return "negative";
  if (strcmp(key, "rate") == 0) w->ns_per_byte = value == 0 ? 0 : 8e9 / value;
  else if (strcmp(key, "delay") == 0) w->delay = (int64_t)(value * 1000);
  else if (strcmp(key, "jitter") == 0) w->jitter = (int64_t)(value * 1000);
  else if (strcmp(key, "loss") == 0) w->loss = value;
  else if (strcmp(key, "queue") == 0) w->queue_bytes = (int64_t)value;
  else return "unknown key";
  return NULL;
}

static const char *change(const char *verb, const char *name, char *words[], int count) {
  int found = 0;
  for (int i = 0; i < way_count; i += 1) {
    if (!is_named(&ways[i], name)) continue;
    found += 1;
    if (strcmp(verb, "set") != 0) ways[i].stalled = strcmp(verb, "stall") == 0;
    for (int k = 0; k < count; k += 1) {
      char key[16];
      double value;
      if (sscanf(words[k], "%15[a-z]=%lf", key, &value) != 2) return "key=value is needed";
      const char *wrong = set(&ways[i], key, value);
      if (wrong != NULL) return wrong;
    }
  }
  return found > 0 ? NULL : "no such way";
}

static void print_counters(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
  printf("{\"cpuMs\":%.1f,\"unsent\":%ld,\"worstLateUs\":%ld,\"ways\":{", cpu, (long)unsent, (long)(worst_late / 1000));
  worst_late = 0;
  for (int i = 0; i < way_count; i += 1) {
    struct way *w = &ways[i];
    printf("%s\"%s\":{\"bytes\":%ld,\"packets\":%ld,\"lost\":%ld,\"dropped\":%ld,\"queued\":%ld,\"mostQueued\":%ld}",
           i > 0 ? "," : "", w->name, (long)w->bytes, (long)w->packets, (long)w->lost, (long)w->dropped,
           (long)w->queue.bytes, (long)w->most_queued);
    w->most_queued = w->queue.bytes;
  }
  printf("}}\n");
}

static void obey(char *line) {
  char *words[16];
  int count = 0;
  for (char *word = strtok(line, " "); word != NULL && count < 16; word = strtok(NULL, " ")) words[count++] = word;
  const char *wrong = NULL;
  if (count == 1 && strcmp(words[0], "counters") == 0) {
    print_counters();
    return;
  }
  if (count < 2) wrong = "not a command";
  else if (strcmp(words[0], "wire") == 0) wrong = add_wire(words[1], words + 2, count - 2);
  else if (strcmp(words[0], "station") == 0) wrong = add_station(words[1], words + 2, count - 2);
  else if (strcmp(words[0], "seed") == 0) dice = strtoull(words[1], NULL, 10) * 2654435761ULL + 0x9e3779b97f4a7c15ULL;
  else if (strcmp(words[0], "set") == 0 || strcmp(words[0], "stall") == 0 || strcmp(words[0], "go") == 0)
    wrong = change(words[0], words[1], words + 2, count - 2);
  else wrong = "not a command";
  if (wrong == NULL) printf("ok\n");
  else printf("error %s\n", wrong);
}

/* False when stdin has ended. */
static int listen_to_orders(void) {
  static char line[LINE_BYTES];
  static size_t have;
  ssize_t got = read(STDIN_FILENO, line + have, sizeof line - 1 - have);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 1;
  if (got <= 0) return 0;
  have += (size_t)got;
  line[have] = '\0';
  char *begin = line;
  for (char *end = strchr(begin, '\n'); end != NULL; end = strchr(begin, '\n')) {
    *end = '\0';
    obey(begin);
    begin = end + 1;
  }
  have -= (size_t)(begin - line);
  memmove(line, begin, have + 1);
  fflush(stdout);
  return have < sizeof line - 1;
}

static int64_t next_event(void) {
  int64_t next = NEVER;
  for (int i = 0; i < way_count; i += 1) {
    const struct way *w = &ways[i];
    if (w->queue.head != NULL && !w->stalled && servers[w->server].free_at < next) next = servers[w->server].free_at;
    if (w->flight.head != NULL && w->flight.head->at < next) next = w->flight.head->at;
  }
  return next;
}

int main(void) {
  home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
  if (home < 0) return 1;
  prctl(PR_SET_TIMERSLACK, 1);
  fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
  for (;;) {
    struct pollfd polled[MOST_PORTS + 1];
    polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
    for (int i = 0; i < port_count; i += 1) polled[i + 1] = (struct pollfd){.fd = ports[i].fd, .events = POLLIN};
    int count = port_count;
    int64_t next = next_event(), now = now_ns();
    struct timespec until = {0};
    if (next > now) {
      until.tv_sec = (next - now) / 1000000000;
      until.tv_nsec = (next - now) % 1000000000;
    }
    int busy = ppoll(polled, (nfds_t)count + 1, next == NEVER ? NULL : &until, NULL);
    if (busy < 0 && errno != EINTR) return 1;
    now = now_ns();
    for (int i = 0; i < server_count; i += 1) serve(i, now);
    for (int i = 0; i < count && busy > 0; i += 1)
      if (polled[i + 1].revents & POLLIN) take(&ports[i], now);
    for (int i = 0; i < server_count; i += 1) serve(i, now);
    for (int i = 0; i < way_count; i += 1) land(&ways[i], now);
    if (busy > 0 && polled[0].revents != 0 && !listen_to_orders()) return 0;
    struct timespec quantum = {.tv_nsec = QUANTUM_NS};
    nanosleep(&quantum, NULL);
  }
}
