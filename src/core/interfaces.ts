/**
 * The interfaces of this machine and their addresses, as the system tells them. Asked for by the lender's rooms and by the
 * proxy, many times and inside timers. It must never throw: a process that may open no more files can't ask, and goes by
 * what it was told last.
 */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

export type Interfaces = NodeJS.Dict<
  (Pick<NetworkInterfaceInfo, 'address'> & Partial<Pick<NetworkInterfaceInfo, 'cidr'>>)[]
>;

/** May throw. */
export type ReadInterfaces = () => Interfaces;

/** What `read` says now, or said when it last could; undefined when it never could. Asks at once, while there is room. */
export function toldInterfaces(read: ReadInterfaces = networkInterfaces): () => Interfaces | undefined {
  let told: Interfaces | undefined;
  const ask = (): Interfaces | undefined => {
    try {
      told = read();
    } catch {
      // Too many open files, mostly: getifaddrs needs one of its own.
      return told;
    }
    return told;
  };
  ask();
  return ask;
}
