/**
 * Invitations as QR codes for a terminal. Used by the command line. Loads its library only when called.
 */

/** Lines of half blocks; the text is base32, which QR codes hold compactly. */
export async function renderQr(text: string): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  // Level M: a screen is clean, but cameras are not; a border of 2 is what readers still accept.
  return renderUnicodeCompact(text, { ecc: 'M', border: 2 });
}
