// Measures, in the page, what comes of the door's test card and melody. Times are milliseconds since 1970; door and page share
// this machine's clock.
window.probe = (() => {
  const now = () => performance.timeOrigin + performance.now();
  const columns = 36; // of the time code: see TimeCode in device/sim/timecode.go
  const notes = [440, 550, 660, 880]; // Hz, half a second each: see Melody in device/sim/melody.go
  const canvas = new OffscreenCanvas(40 * 8, 16);
  const paper = canvas.getContext('2d', { willReadFrequently: true });

  /** @type {{at: number, age: number}[]} pictures as they were shown; age is NaN where no time code was read */
  let pictures = [];
  /** @type {{at: number, level: number}[]} the sound of each millisecond, root mean square */
  let sound = [];
  /** @type {{at: number, note: number}[]} of each 20 ms: the note that was found, 0 for none */
  let pitches = [];

  /** age reads the time code of the picture that the video shows. */
  function age(video, at) {
    const { videoWidth: width, videoHeight: height } = video;
    paper.drawImage(video, 0, (height * 17) / 20, width, (height * 2) / 20, 0, 0, canvas.width, canvas.height);
    const { data } = paper.getImageData(0, 0, canvas.width, canvas.height);
    const luma = (row, column) => {
      let sum = 0;
      for (let y = row * 8 + 2; y < row * 8 + 6; y++) {
        for (let x = (column + 2) * 8 + 2; x < (column + 2) * 8 + 6; x++) sum += data[4 * (y * canvas.width + x) + 1];
      }
      return sum / 16;
    };
    const bits = (row) => {
      let value = 0n;
      for (let column = 2; column < columns - 2; column++) value = (value << 1n) | (luma(row, column) > 128 ? 1n : 0n);
      return value;
    };
    const [millis, rest] = [bits(0), bits(1)];
    if (checksum((millis << 16n) | (rest >> 16n)) !== Number(rest & 0xffffn)) return NaN;
    const whole = BigInt(Math.floor(at));
    return Number(BigInt.asIntN(32, whole - millis)) + (at - Math.floor(at));
  }

  /** checksum is CRC-16/CCITT-FALSE over six bytes. */
  function checksum(bytes) {
    let crc = 0xffff;
    for (let shift = 40n; shift >= 0n; shift -= 8n) {
      crc ^= Number((bytes >> shift) & 0xffn) << 8;
      for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
    }
    return crc;
  }

  /** sees notes each picture that the page shows, from now on. */
  function sees() {
    const video = document.getElementById('remoteVideo');
    const look = () => {
      const at = now();
      pictures.push({ at, age: age(video, at) });
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }

  /** power is the share of a window's energy that one frequency has (Goertzel 1958). */
  function power(window, frequency, rate) {
    const turn = 2 * Math.cos((2 * Math.PI * frequency) / rate);
    let [one, two, energy] = [0, 0, 1e-12];
    for (const sample of window) {
      [one, two] = [sample + turn * one - two, one];
      energy += sample * sample;
    }
    return (2 * (one * one + two * two - turn * one * two)) / window.length / energy;
  }

  function loudness(samples) {
    return Math.sqrt(samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length);
  }

  /** hears notes the sound that the browser hands to its output, from now on, without the output's own buffer. */
  async function hears() {
    const [track] = document.getElementById('remoteVideo').srcObject.getAudioTracks();
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    let window = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const at = now();
      const rate = value.sampleRate;
      const samples = new Float32Array(value.numberOfFrames);
      value.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      value.close();
      const step = rate / 1000;
      for (let i = 0; i + step <= samples.length; i += step) {
        sound.push({ at: at + (1000 * i) / rate, level: loudness(samples.subarray(i, i + step)) });
      }
      window.push(...samples);
      if (window.length >= rate / 50) {
        const found = loudness(window) > 0.003 && notes.find((note) => power(window, note, rate) > 0.5);
        pitches.push({ at, note: found || 0 });
        window = [];
      }
    }
  }

  /** lags is how much later than whole half seconds, when notes of the melody change, the sound is lowest. */
  function lags() {
    const found = [];
    const smooth = sound.map(({ at }, i) => ({ at, level: loudness(sound.slice(Math.max(0, i - 2), i + 3).map((s) => s.level)) }));
    for (let at = Math.ceil(smooth[0].at / 500) * 500; at + 400 < smooth.at(-1).at; at += 500) {
      const heard = smooth.filter((s) => s.at >= at && s.at < at + 400);
      const lowest = heard.reduce((a, b) => (b.level < a.level ? b : a));
      const usual = heard.map((s) => s.level).sort((a, b) => a - b)[heard.length >> 1];
      if (lowest.level < usual / 3) found.push(lowest.at - at);
    }
    return found;
  }

  /** @type {() => number} */ let beep = () => 0;

  /** speaks makes a microphone that hears beeps: its track is what the page gets when it asks for one. */
  function speaks() {
    const context = new AudioContext();
    const gain = new GainNode(context, { gain: 0 });
    const tone = new OscillatorNode(context, { frequency: 700 });
    const end = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
    tone.connect(gain).connect(end);
    tone.start();
    navigator.mediaDevices.getUserMedia = async () => {
      await context.resume();
      return new MediaStream(end.stream.getAudioTracks().map((track) => track.clone()));
    };
    beep = () => {
      const ahead = 0.1; // s
      gain.gain.setValueAtTime(0.5, context.currentTime + ahead);
      gain.gain.setValueAtTime(0, context.currentTime + ahead + 0.3);
      return now() + 1000 * ahead;
    };
  }

  /** forget begins anew. */
  const forget = () => { [pictures, sound, pitches] = [[], [], []]; return true; };

  return {
    sees: () => { sees(); return true; },
    hears: () => { hears().catch((error) => console.error(`probe: ${error}`)); return true; },
    speaks: () => { speaks(); return true; },
    beep: () => beep(),
    forget, lags,
    pictures: () => pictures,
    pitches: () => pitches,
  };
})();
true;
