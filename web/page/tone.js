// What is heard: a ding-dong while it rings and quieter signs beside it, made with Web Audio. A browser lets none of it sound
// before the person has touched the page once.

/** @typedef {{at: number, frequency: number, length: number, level: number}} Note  times in s, level 0 to 1 */

/** @type {Record<string, {notes: Note[], every: number}>} */
const melodies = {
  ring: {
    every: 3,
    notes: [
      { at: 0, frequency: 659.26, length: 1.6, level: 0.5 },
      { at: 0.55, frequency: 523.25, length: 2.2, level: 0.5 },
    ],
  },
  waiting: { every: 4, notes: [{ at: 0, frequency: 659.26, length: 0.7, level: 0.15 }, { at: 0.25, frequency: 523.25, length: 0.9, level: 0.15 }] },
  ringback: { every: 4, notes: [{ at: 0, frequency: 425, length: 1, level: 0.06 }] },
  again: { every: 0, notes: [{ at: 0, frequency: 783.99, length: 0.6, level: 0.25 }, { at: 0.2, frequency: 659.26, length: 0.8, level: 0.25 }] },
};

/** Partials of a struck bar: frequency ratio, level, how much faster they fade. */
const partials = [[1, 1, 1], [2, 0.35, 1.8], [3.01, 0.18, 2.6]];

/** Tone plays one melody over and over, or a sound once. */
export class Tone {
  /** @type {AudioContext | null} */ #context = null;
  /** @type {() => void} */ #changed;
  #playing = '';
  /** @type {ReturnType<typeof setInterval> | undefined} */ #loop;
  /** Ends what sounds. @type {GainNode | null} */ #out = null;

  /** @param {() => void} changed  called when sound becomes possible or impossible */
  constructor(changed) {
    this.#changed = changed;
  }

  /** start makes ready; whether the browser lets it sound shows in locked. */
  start() {
    if (this.#context || typeof AudioContext !== 'function') return;
    this.#context = new AudioContext();
    this.#context.onstatechange = () => {
      if (!this.locked && this.#playing) this.once(this.#playing); // at once, not at the melody's next turn
      this.#changed();
    };
  }

  /** locked tells that the person must touch the page before it can ring. */
  get locked() {
    return this.#context !== null && this.#context.state !== 'running';
  }

  /** unlock is to be called from a person's touch or key. */
  unlock() {
    this.start();
    if (this.locked) void this.#context?.resume().catch(() => undefined);
  }

  /**
   * play repeats a melody until another is asked for; '' is silence.
   * @param {string} name
   */
  play(name) {
    if (name === this.#playing) return;
    this.#playing = name;
    clearInterval(this.#loop);
    this.#fade();
    const melody = melodies[name];
    if (!melody) return;
    this.#sound(melody.notes);
    this.#loop = setInterval(() => this.#sound(melody.notes), melody.every * 1000);
  }

  /**
   * once plays a sound one time. A "ring" while it rings begins the melody again.
   * @param {string} name
   */
  once(name) {
    if (name === this.#playing) {
      this.#playing = '';
      this.play(name);
    } else if (melodies[name]) {
      this.#sound(melodies[name].notes);
    }
  }

  /** @param {Note[]} notes */
  #sound(notes) {
    const context = this.#context;
    if (!context || context.state !== 'running') return;
    this.#out ??= this.#output(context);
    for (const note of notes) {
      for (const [ratio, level, haste] of partials) {
        strike(context, this.#out, { ...note, frequency: note.frequency * ratio, level: note.level * level, length: note.length / haste });
      }
    }
  }

  /** @param {AudioContext} context */
  #output(context) {
    const out = context.createGain();
    out.connect(context.destination);
    return out;
  }

  /** Lets what sounds die away within a moment: a cut would click. */
  #fade() {
    const context = this.#context;
    const out = this.#out;
    this.#out = null;
    if (!context || !out) return;
    out.gain.setTargetAtTime(0, context.currentTime, 0.03);
    setTimeout(() => out.disconnect(), 300);
  }
}

/**
 * strike sounds one partial that rises at once and fades.
 * @param {AudioContext} context
 * @param {AudioNode} out
 * @param {Note} note
 */
function strike(context, out, { at, frequency, length, level }) {
  const start = context.currentTime + at;
  const oscillator = context.createOscillator();
  const gain = context.createGain();
  oscillator.frequency.value = frequency;
  gain.gain.setValueAtTime(0, start);
  gain.gain.linearRampToValueAtTime(level, start + 0.008);
  gain.gain.exponentialRampToValueAtTime(0.0001, start + length);
  oscillator.connect(gain).connect(out);
  oscillator.start(start);
  oscillator.stop(start + length);
}
