/** Hands a file to the browser, which asks where to keep it. */
export function saveAs(body: Blob, name: string): void {
  const address = URL.createObjectURL(body);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  // The browser has begun to read it by then; revoked at once, Safari saves nothing.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
