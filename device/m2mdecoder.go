package device

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostDamaged is how many pictures in a row a decoder may fail with before it is taken
// for one that can't do with this camera.
const mostDamaged = 3

// m2mDecoder is the kernel's stateful decoder on one device node
// (linux/Documentation/userspace-api/media/v4l/dev-decoder.rst), for coded pictures
// each of which stands by itself. What it makes of them stays in its buffers, where an
// encoder reads it. It belongs to one goroutine.
type m2mDecoder struct {
	// Fixed after openM2MDecoder.
	info       CodecInfo
	device     *v4l2Device
	coded, raw *m2mQueue
	layout     layout // of raw pictures, with all their rows
	full       bool   // they are in the range of JPEG, not in that of video
	wait       *waiter
	epoch      time.Time        // stamps count from it
	exported   []int            // descriptors of the buffers of raw pictures
	pictures   []decodedPicture // by the index of their buffer

	inside  int   // pictures that went in and did not come out
	silent  int   // that went in since one came out
	held    int   // so many stay inside until the next goes in
	damaged int   // in a row
	lost    error // a buffer that the driver does not take back
}

// decodedPicture is a picture in a decoder's buffer.
type decodedPicture struct {
	decoder *m2mDecoder
	index   uint32
}

// release gives the buffer back to the decoder.
func (p decodedPicture) release() {
	if d := p.decoder; d.raw.on {
		d.lost = errors.Join(d.lost, d.raw.put(p.index, 0, 0))
	}
}

// codedPictures says what a decoder gets, and what is wanted of it.
type codedPictures struct {
	format        fourCC
	width, height int
	size          uint32 // of the largest, bytes
	wanted        []fourCC
	sample        []byte // one of them
	// check looks at what the sample was decoded to, and tells whether it is in the range
	// of JPEG, or what is wrong with it.
	check func(l layout, raw []byte) (full bool, err error)
}

// openM2MDecoder opens a decoder, and shows by the sample that it can do with such
// pictures.
func openM2MDecoder(k kernel, info CodecInfo, p codedPictures) (*m2mDecoder, error) {
	fd, err := k.Open(info.Path)
	if err != nil {
		return nil, fmt.Errorf("decoder %s: %w", info, err)
	}
	wait, err := newWaiter()
	if err != nil {
		return nil, errors.Join(err, k.Close(fd))
	}
	wait.events = unix.POLLIN | unix.POLLPRI
	d := &m2mDecoder{info: info, device: &v4l2Device{k: k, fd: fd, path: info.Path}, wait: wait, epoch: time.Now().Add(-m2mPast)}
	if err := d.start(p); err != nil {
		return nil, errors.Join(fmt.Errorf("decoder %s: %w", info, err), d.close())
	}
	return d, nil
}

// start goes through what the kernel's document prescribes (sections "Initialization"
// and "Capture setup").
func (d *m2mDecoder) start(p codedPictures) error {
	var c v4l2Capability
	if err := d.device.ioctl(vidiocQueryCap, unsafe.Pointer(&c)); err != nil {
		return err
	}
	planes, ok := memoryToMemory(&c)
	if !ok {
		return errors.New("it is no memory-to-memory device")
	}
	d.coded, d.raw = newM2MQueue(d.device, true, planes), newM2MQueue(d.device, false, planes)
	// Drivers for which a change of the format is no event refuse; their pictures show it.
	_ = d.device.ioctl(vidiocSubscribeEvent, unsafe.Pointer(&v4l2EventSubscription{Type: v4l2EventSourceChange}))
	coded := m2mFormat{fourCC: p.format, width: uint32(p.width), height: uint32(p.height), size: p.size, full: true}
	if err := d.coded.setFormat(coded); err != nil {
		return err
	}
	if err := d.coded.start(m2mBuffers); err != nil {
		return err
	}
	if err := d.put(p.sample, d.epoch); err != nil {
		return err
	}
	if err := d.setUp(p); err != nil {
		return err
	}
	return d.trial(p)
}

// setUp brings the queue of raw pictures into the form that the coded ones need.
func (d *m2mDecoder) setUp(p codedPictures) error {
	if err := d.awaitFormat(p); err != nil {
		return err
	}
	for d.changed() { // to the format that is there now
	}
	offered := d.raw.formats()
	i := slices.IndexFunc(p.wanted, func(f fourCC) bool { return slices.Contains(offered, f) })
	if i < 0 {
		return fmt.Errorf("it gives none of %v, but %v", p.wanted, offered)
	}
	if err := d.raw.setFormat(m2mFormat{fourCC: p.wanted[i], width: uint32(p.width), height: uint32(p.height), full: true}); err != nil {
		return err
	}
	if !d.raw.format.covers(p) {
		return fmt.Errorf("it makes pictures of %dx%d of those of %dx%d", d.raw.format.width, d.raw.format.height, p.width, p.height)
	}
	visible := v4l2Selection{Type: v4l2BufTypeVideoCapture, Target: v4l2SelectionCompose}
	if err := d.device.ioctl(vidiocGetSelection, unsafe.Pointer(&visible)); err == nil && (visible.Left != 0 || visible.Top != 0) {
		return fmt.Errorf("its pictures begin at %d,%d of the buffer", visible.Left, visible.Top)
	}
	f := d.raw.format
	d.layout = layout{format: f.fourCC, width: p.width, height: int(f.height), stride: int(f.stride)}
	d.layout.stride = max(d.layout.stride, d.layout.leastStride())
	if least := d.layout.size(); int(f.size) < least {
		return fmt.Errorf("its buffers of %d bytes are smaller than a picture of %d", f.size, least)
	}
	least := v4l2Control{ID: v4l2CIDMinBuffersForCapture, Value: 1}
	_ = d.device.ioctl(vidiocGetCtrl, unsafe.Pointer(&least)) // without the control one is enough
	if err := d.raw.start(uint32(min(max(least.Value, 1), mostM2MBuffers)) + mostLent + 1); err != nil {
		return err
	}
	d.pictures = nil
	for _, index := range slices.Clone(d.raw.idle) {
		d.pictures = append(d.pictures, decodedPicture{d, index})
		if err := d.raw.put(index, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// mostM2MBuffers bounds what a driver may say that it needs.
const mostM2MBuffers = 16

// covers tells whether such raw pictures have room for the coded ones.
func (f m2mFormat) covers(p codedPictures) bool {
	return int(f.width) >= p.width && int(f.height) >= p.height
}

// awaitFormat waits until the driver has read the sample's size.
func (d *m2mDecoder) awaitFormat(p codedPictures) error {
	for deadline := time.Now().Add(m2mFirst); ; {
		f, err := d.raw.currentFormat()
		if err == nil && f.covers(p) {
			return nil
		}
		if !time.Now().Before(deadline) {
			return errors.Join(errors.New("it does not tell of what size its pictures are"), err)
		}
		events, err := d.wait.wait(context.Background(), d.device.fd, time.Until(deadline))
		if err == nil && events&unix.POLLERR != 0 { // it has read the sample, and has nothing to wait for
			_, err = d.wait.wait(context.Background(), -1, m2mFirst/100)
		}
		if err != nil {
			return err
		}
		d.changed()
	}
}

// changed takes an event off the driver's list, if there is one, and tells whether it was
// of another format.
func (d *m2mDecoder) changed() bool {
	var e v4l2Event
	return d.device.ioctl(vidiocDQEvent, unsafe.Pointer(&e)) == nil && e.Type == v4l2EventSourceChange
}

// trial waits for the sample's picture and has it looked at. A driver may say only now
// what it makes of such pictures.
func (d *m2mDecoder) trial(p codedPictures) error {
	came := false
	look := func(r m2mResult) (err error) {
		came = true
		d.full, err = p.check(d.layout, r.data)
		return errors.Join(err, d.raw.put(r.index, 0, 0))
	}
	for deadline := time.Now().Add(m2mFirst); !came; {
		err := d.collect(max(time.Until(deadline), 0), look)
		if errors.Is(err, errOtherFormat) {
			if err = d.raw.stop(); err == nil {
				err = d.setUp(p)
			}
			if err == nil { // the picture may have gone with the queue
				err = d.put(p.sample, d.epoch)
			}
		}
		switch {
		case err != nil || came:
		case d.damaged > 0:
			err = errors.New("it can't decode the camera's pictures")
		case !time.Now().Before(deadline):
			err = fmt.Errorf("no picture has come out of it in %v", m2mFirst)
		}
		if err != nil {
			return err
		}
	}
	var err error
	d.exported, err = d.raw.export()
	return err
}

// errOtherFormat says that pictures of another format are to come.
var errOtherFormat = errors.New("it gives pictures of another format now")

// put gives the driver a coded picture. It is left out where the driver has as many as
// it takes.
func (d *m2mDecoder) put(data []byte, captured time.Time) error {
	for {
		_, err := d.coded.take()
		if errors.Is(err, errNothingYet) {
			break
		}
		if err != nil {
			return err
		}
	}
	if len(d.coded.idle) == 0 {
		return nil
	}
	index := d.coded.idle[0]
	if room := len(d.coded.buffers[index]); len(data) > room {
		return fmt.Errorf("a picture of %d bytes is larger than its buffers of %d", len(data), room)
	}
	d.inside++
	d.silent++
	return d.coded.put(index, uint32(copy(d.coded.buffers[index], data)), captured.Sub(d.epoch).Microseconds())
}

// decode gives the driver a coded picture, and hands on what has come out of it and of
// earlier ones: as a rule one, but a driver may hold pictures back. The buffers that
// were handed on are to be released.
func (d *m2mDecoder) decode(data []byte, captured time.Time, patience time.Duration, use func(decodedPicture, time.Time) error) error {
	if err := d.lost; err != nil {
		return err
	}
	if err := d.put(data, captured); err != nil {
		return err
	}
	if d.inside <= d.held {
		patience = 0
	}
	err := d.collect(patience, func(r m2mResult) error {
		if r.stamp == 0 { // the sample, again
			return d.raw.put(r.index, 0, 0)
		}
		return use(d.pictures[r.index], d.epoch.Add(time.Duration(r.stamp)*time.Microsecond))
	})
	if err == nil && d.silent > mostSilent {
		err = fmt.Errorf("of %d pictures nothing has come out", d.silent)
	}
	d.held = max(d.held, min(d.inside, mostHeld))
	return err
}

const (
	// mostSilent is how many pictures a decoder may be given before one comes out.
	mostSilent = 30
	// mostHeld is how many it may hold back as a rule. Each makes the picture older by one.
	mostHeld = 2
)

// collect waits for a raw picture, and hands on all that there are. None in that time is
// no error.
func (d *m2mDecoder) collect(patience time.Duration, use func(m2mResult) error) error {
	if _, err := d.wait.wait(context.Background(), d.device.fd, patience); err != nil {
		return err
	}
	if d.changed() {
		return errOtherFormat
	}
	for {
		r, err := d.raw.take()
		if errors.Is(err, errNothingYet) {
			return nil
		}
		if errors.Is(err, errDrained) {
			return errOtherFormat
		}
		if err != nil {
			return err
		}
		if err := d.hand(r, use); err != nil {
			return err
		}
	}
}

// hand hands on a raw picture, or passes a damaged one over.
func (d *m2mDecoder) hand(r m2mResult, use func(m2mResult) error) error {
	d.inside, d.silent = max(d.inside-1, 0), 0
	switch {
	case r.flags&v4l2BufFlagError != 0:
		if d.damaged++; d.damaged >= mostDamaged {
			return fmt.Errorf("it can't decode %d pictures in a row", d.damaged)
		}
		return d.raw.put(r.index, 0, 0)
	case r.flags&v4l2BufFlagLast != 0:
		return errOtherFormat
	case len(r.data) == 0:
		return d.raw.put(r.index, 0, 0)
	}
	d.damaged = 0
	return use(r)
}

var _ bufferSource = (*m2mDecoder)(nil)

// String is such as "/dev/video10 (bcm2835-codec)".
func (d *m2mDecoder) String() string { return d.info.String() }

// shape, bufferLength, export and spares are as bufferSource says.
func (d *m2mDecoder) shape() layout          { return d.layout }
func (d *m2mDecoder) bufferLength() uint32   { return d.raw.least() }
func (d *m2mDecoder) export() ([]int, error) { return d.exported, nil }
func (d *m2mDecoder) spares() int            { return mostLent }

// close stops the decoder and frees all it has. Nobody may have its buffers any more.
func (d *m2mDecoder) close() error {
	var errs []error
	for _, q := range []*m2mQueue{d.coded, d.raw} {
		if q != nil {
			errs = append(errs, q.stop())
		}
	}
	for _, fd := range d.exported {
		errs = append(errs, d.device.k.Close(fd))
	}
	d.wait.shut()
	d.wait.release()
	return errors.Join(append(errs, d.device.k.Close(d.device.fd))...)
}
