/**
 * What the lab says when it can not go on: one line, with the mend. Every file of the lab throws it; main.ts prints it.
 */

/** Something that a person can mend; the message is one line and says how. */
export class LabError extends Error {
  override readonly name = 'LabError';
}
