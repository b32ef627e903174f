// The person's microphone and camera: asked for when a person accepts or calls, never before.

/**
 * @typedef {import('./turn.js').Microphone} Microphone
 *
 * @typedef {object} Granted
 * @property {MediaStreamTrack | null} audio
 * @property {MediaStreamTrack | null} video
 * @property {Microphone} mic  "on", or why there is none
 */

/**
 * ask asks the browser, which asks the person. It takes what it can get: without camera the microphone alone, and without
 * either a call is still one of seeing and hearing.
 * @param {{camera: boolean}} what
 * @returns {Promise<Granted>}
 */
export async function ask({ camera }) {
  if (!navigator.mediaDevices?.getUserMedia) {
    return { audio: null, video: null, mic: window.isSecureContext ? 'missing' : 'insecure' };
  }
  if (!camera) return get(true, false);
  const both = await get(true, true);
  if (both.audio) return both;
  const sound = await get(true, false);
  if (both.mic === 'refused') return sound; // one question too many already
  const picture = await get(false, true);
  return { ...sound, video: picture.video };
}

const sound = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
const picture = { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } };

/**
 * @param {boolean} audio
 * @param {boolean} video
 * @returns {Promise<Granted>}
 */
async function get(audio, video) {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: audio && sound, video: video && picture });
    const [track = null] = stream.getAudioTracks();
    return { audio: track, video: stream.getVideoTracks()[0] ?? null, mic: track ? 'on' : 'missing' };
  } catch (error) {
    return { audio: null, video: null, mic: why(error) };
  }
}

/**
 * why sorts the errors of getUserMedia (W3C Media Capture and Streams, section 10.2) by what the person can do.
 * @param {unknown} error
 * @returns {Microphone}
 */
function why(error) {
  switch (error instanceof Error ? error.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return 'refused';
    case 'NotReadableError':
    case 'AbortError':
      return 'busy';
    default:
      return 'missing';
  }
}
