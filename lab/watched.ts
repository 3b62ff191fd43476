/**
 * One download that is watched: what its file and the lines have at every moment, and whether every byte is right.
 * Used by measure.ts.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { partOf } from '../src/cli/get/journal.ts';
import type { Bytes, Milliseconds } from '../src/core/units.ts';
import { whileLooking } from './looking.ts';
import { type Neighbourhood, wireOf } from './neighbourhood.ts';
import { type Wrong, wrongSpans } from './origin.ts';
import { RUN_FOLDER } from './places.ts';
import { cpuMs } from './process.ts';

const SAMPLE_MS: Milliseconds = 40;
const DOWNLOADED = join(RUN_FOLDER, 'downloaded');
/** Of `st_blocks`, whatever the file system's blocks are. */
const BLOCK_BYTES: Bytes = 512;

/** Since the download began. */
export interface Sample {
  readonly ms: Milliseconds;
  /** What the client had. */
  readonly delivered: Bytes;
  /** What had come out of each line, packets' headers and all. */
  readonly lines: readonly Bytes[];
}

export interface Transfer {
  readonly bytes: Bytes;
  /** As the client says, from its first packet to its last byte. */
  readonly ms: Milliseconds;
}

/** What `linepool get` says of its download; of others the daemon knows it. */
export interface Told {
  readonly peakWindowBytes: Bytes;
  readonly bytesTwice: Bytes;
  readonly bytesByPath: Readonly<Record<string, Bytes>>;
}

export interface Watched extends Transfer {
  /** True when the client has every byte as the origin has it. */
  readonly isRight: boolean;
  /** Where it has not, when it says that it has everything. */
  readonly wrong: readonly Wrong[];
  /** The client's exit code. */
  readonly code: number | null;
  /** What the client said of its failure. */
  readonly says?: string;
  /** Processor time of the client, as last seen. */
  readonly cpuMs: Milliseconds;
  readonly samples: readonly Sample[];
  readonly told?: Told;
}

type Came = Pick<Watched, 'code' | 'ms' | 'told' | 'says'>;

/**
 * What of a file is there. A client that writes in order has as much as the file is long. `linepool get` writes at
 * offsets into FILE.part: of it the pages that are there are counted, which the run's folder, in memory, has none
 * of where nothing was written.
 */
function deliveredBytes(file: string, bytes: Bytes): Bytes {
  const whole = statSync(file, { throwIfNoEntry: false });
  if (whole !== undefined) return whole.size;
  const part = statSync(partOf(file), { throwIfNoEntry: false });
  return part === undefined ? 0 : Math.min(bytes, part.blocks * BLOCK_BYTES);
}

/** Runs a download of that file of the origin, and looks at the file and the lines while it runs. */
export async function watched(
  { wires, scenario }: Neighbourhood,
  name: string,
  bytes: Bytes,
  label: string,
  download: (file: string, onStart: (pid: number) => void) => Promise<Came>,
): Promise<Watched> {
  mkdirSync(DOWNLOADED, { recursive: true });
  const file = join(DOWNLOADED, label);
  rmSync(file, { force: true });
  const samples: Sample[] = [];
  let client = 0;
  let clientMs: Milliseconds = 0;
  const ways = scenario.lines.map((_, i) => `${wireOf(i + 1)}.down`);
  const before = (await wires.counters()).ways;
  const began = performance.now();
  const look = async (): Promise<void> => {
    const { ways: now } = await wires.counters();
    clientMs = Math.max(clientMs, cpuMs(client));
    samples.push({
      ms: performance.now() - began,
      delivered: deliveredBytes(file, bytes),
      lines: ways.map((way) => (now[way]?.bytes ?? 0) - (before[way]?.bytes ?? 0)),
    });
  };
  try {
    const { code, ms, told, says } = await whileLooking(
      async () => {
        const came = await download(file, (pid) => {
          client = pid;
        });
        await look();
        return came;
      },
      look,
      SAMPLE_MS,
    );
    const wrong = code === 0 ? await wrongSpans(file, name) : [];
    return {
      bytes,
      ms,
      code,
      cpuMs: clientMs,
      isRight: code === 0 && wrong.length === 0,
      wrong,
      samples,
      ...(told !== undefined && { told }),
      ...(says !== undefined && { says }),
    };
  } finally {
    rmSync(file, { force: true });
    rmSync(partOf(file), { force: true });
  }
}
