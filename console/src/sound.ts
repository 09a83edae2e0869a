/** Two short notes, made on the spot: no file to fetch. */
const NOTES_HZ = [660, 880];
const NOTE_S = 0.14;
const LOUDNESS = 0.12;

let audio: AudioContext | null = null;

/** Silent when the browser does not allow sound yet. */
export function ring(): void {
  audio ??= new AudioContext();
  const context = audio;
  void context.resume().catch(() => undefined);
  NOTES_HZ.forEach((hertz, index) => {
    const start = context.currentTime + index * NOTE_S;
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(LOUDNESS, start);
    volume.gain.exponentialRampToValueAtTime(0.001, start + NOTE_S * 2);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + NOTE_S * 2);
  });
}
