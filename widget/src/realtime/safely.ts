/** Runs what belongs to others: an error of theirs is told to the page, and stops nothing of ours. */
export function safely<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return undefined;
  }
}
