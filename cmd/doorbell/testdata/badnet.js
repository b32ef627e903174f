// Leads the page's media through a bad network: PORT is the door's, THROUGH the relay's. The door learns no address of the phone
// but the relay's.
(() => {
  /** through makes a candidate of the door lead through the relay; '' for any other way. */
  const through = (line) => (/ udp \d+ 127\.0\.0\.1 PORT /i.test(line) ? line.replace(' PORT ', ' THROUGH ') : '');
  const lines = (sdp, change) =>
    sdp.split('\r\n').map((line) => (line.startsWith('a=candidate') ? change(line) : line)).filter(Boolean).join('\r\n') + '\r\n';

  const { addIceCandidate, setRemoteDescription } = RTCPeerConnection.prototype;
  RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
    const line = through(candidate?.candidate ?? '');
    if (line) await addIceCandidate.call(this, { ...candidate, candidate: line });
  };
  RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
    return setRemoteDescription.call(this, { type, sdp: lines(sdp, through) });
  };
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    const message = JSON.parse(text);
    if (message.type === 'candidate') return;
    for (const description of [message.offer, message.answer]) {
      if (description) description.sdp = lines(description.sdp, () => '');
    }
    send.call(this, JSON.stringify(message));
  };
  return true;
})();
