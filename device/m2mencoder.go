package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"slices"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	m2mBuffers = 3 // of each queue: one is filled while one is encoded
	// m2mFirst is how long the first picture may take: firmware is loaded and memory found.
	m2mFirst = 500 * time.Millisecond
	// m2mPast is how long before its opening the time stamps of a device begin: they are never negative.
	m2mPast = time.Minute
	// m2mLate is how long an encoder may keep all buffers that it can be lent.
	m2mLate = 500 * time.Millisecond
	// m2mStall is how long an encoder may give nothing while it has pictures.
	m2mStall = 2 * time.Second
)

// m2mEncoder is the kernel's stateful encoder on one device node
// (linux/Documentation/userspace-api/media/v4l/dev-encoder.rst). It belongs to
// one goroutine.
type m2mEncoder struct {
	// Fixed after openM2MEncoder.
	device     *v4l2Device
	settings   encoderSettings
	raw, coded *m2mQueue
	layout     layout // of raw pictures
	wait       *waiter
	epoch      time.Time    // stamps count from it
	forcible   bool         // makes key frames on demand
	copied     error        // why raw pictures are copied; nil: they are read in the source's buffers
	source     bufferSource // in whose buffers they lie; nil: they are copied
	decoder    *m2mDecoder  // the source, where it is one; nil: it isn't

	inside    int          // pictures that went in and did not come out
	came      time.Time    // when the last one came out, or the first went in
	started   bool         // one has come out
	keyWanted bool         // of the next picture
	lent      []lentBuffer // the source's buffers that the driver has, by index; nil: they are copied
	late      int          // pictures left out in a row, since the driver had as many as may be lent
	lateSince time.Time    // the first of them
}

// m2mRawFormats are what pictures can be handed over in, the least work first.
var m2mRawFormats = [...]fourCC{pixYU12, pixYV12, pixNV12, pixNV21}

// openM2MEncoder opens an encoder that gives that format, and starts it.
func openM2MEncoder(k kernel, path string, format fourCC, s encoderSettings) (*m2mEncoder, error) {
	if s.bitRate == 0 {
		s.bitRate = fittedBitRate(s.width, s.height, s.rate)
	}
	fd, err := k.Open(path)
	if err != nil {
		return nil, fmt.Errorf("video encoder %s: %w", path, err)
	}
	wait, err := newWaiter()
	if err != nil {
		return nil, errors.Join(err, k.Close(fd))
	}
	e := &m2mEncoder{device: &v4l2Device{k: k, fd: fd, path: path}, settings: s, wait: wait, epoch: time.Now().Add(-m2mPast)}
	if err := e.start(format); err != nil {
		return nil, errors.Join(fmt.Errorf("video encoder %s: %w", path, err), e.close())
	}
	return e, nil
}

// start goes through the initialization that the kernel's document prescribes:
// coded format, raw format, what of it is visible, rate, controls, buffers.
func (e *m2mEncoder) start(format fourCC) error {
	var c v4l2Capability
	if err := e.device.ioctl(vidiocQueryCap, unsafe.Pointer(&c)); err != nil {
		return err
	}
	planes, ok := memoryToMemory(&c)
	if !ok {
		return errors.New("it is no memory-to-memory device")
	}
	e.raw, e.coded = newM2MQueue(e.device, true, planes), newM2MQueue(e.device, false, planes)
	width, height := uint32(e.settings.width), uint32(e.settings.height)
	// Half a raw picture is more than any coded one of these bit rates.
	if err := e.coded.setFormat(m2mFormat{fourCC: format, width: width, height: height, size: width * height * 3 / 4}); err != nil {
		return err
	}
	e.copied = e.chooseSource()
	if err := e.chooseRaw(width, height); err != nil {
		return err
	}
	interval := v4l2StreamParm{Type: e.raw.kind, TimePerFrame: v4l2Fract{Numerator: 1000, Denominator: uint32(e.settings.rate*1000 + 0.5)}}
	_ = e.device.ioctl(vidiocSetParm, unsafe.Pointer(&interval)) // a wish: some drivers count by time stamps
	e.configure()
	if e.source != nil {
		e.copied = e.importBuffers()
	}
	if e.copied != nil {
		if err := e.copyInstead(width, height); err != nil {
			return err
		}
	}
	if err := e.coded.start(m2mBuffers); err != nil {
		return err
	}
	for _, i := range slices.Clone(e.coded.idle) {
		if err := e.coded.put(i, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

// copyInstead makes the encoder take copies in buffers of its own.
func (e *m2mEncoder) copyInstead(width, height uint32) error {
	decoded := e.decoder != nil
	if err := e.leaveSource(); err != nil {
		return err
	}
	if decoded { // what is copied is in another format, and range
		if err := e.chooseRaw(width, height); err != nil {
			return err
		}
	}
	return e.raw.start(m2mBuffers)
}

// chooseRaw sets the raw pictures' format, and tells the driver how much of them
// is picture where it wants more rows or columns.
func (e *m2mEncoder) chooseRaw(width, height uint32) error {
	offered := e.raw.formats()
	i := slices.IndexFunc(m2mRawFormats[:], func(f fourCC) bool { return slices.Contains(offered, f) })
	if i < 0 {
		return fmt.Errorf("it takes none of %v, but %v", m2mRawFormats, offered)
	}
	wanted := m2mFormat{fourCC: m2mRawFormats[i], width: width, height: height}
	if e.source != nil {
		if l := e.source.shape(); slices.Contains(offered, l.format) {
			wanted.fourCC, wanted.stride = l.format, uint32(l.stride)
		}
		wanted.full = e.fullRange()
	}
	if err := e.raw.setFormat(wanted); err != nil {
		return err
	}
	f := e.raw.format
	if f.width < width || f.height < height {
		return fmt.Errorf("it takes no more than %dx%d", f.width, f.height)
	}
	if f.width != width || f.height != height {
		s := v4l2Selection{Type: v4l2BufTypeVideoOutput, Target: v4l2SelectionCrop, Width: width, Height: height}
		if err := e.device.ioctl(vidiocSetSelection, unsafe.Pointer(&s)); err != nil || s.Width != width || s.Height != height {
			return errors.Join(fmt.Errorf("it encodes %dx%d of %dx%d", s.Width, s.Height, width, height), err)
		}
	}
	e.layout = layout{format: f.fourCC, width: int(width), height: int(f.height), stride: int(f.stride)}
	e.layout.stride = max(e.layout.stride, e.layout.leastStride())
	if least := e.layout.size(); int(f.size) < least {
		return fmt.Errorf("its buffers of %d bytes are smaller than a picture of %d", f.size, least)
	}
	return nil
}

// configure sets the controls that the driver has.
func (e *m2mEncoder) configure() {
	interval := int(max(e.settings.keyInterval.Seconds()*e.settings.rate, 1))
	for _, c := range []struct {
		id    uint32
		value int
	}{
		{v4l2CIDFrameRC, 1}, {v4l2CIDBitRateMode, v4l2ConstantBitRate}, {v4l2CIDBitRate, e.settings.bitRate},
		{v4l2CIDBFrames, 0}, {v4l2CIDGOPSize, interval}, {v4l2CIDH264IPeriod, interval},
		{v4l2CIDH264Profile, v4l2ProfileConstrainedBaseline}, {v4l2CIDH264Level, h264Level(e.settings)},
		{v4l2CIDHeaderMode, v4l2HeaderWithPicture}, {v4l2CIDRepeatHeaders, 1},
	} {
		e.device.setControl(c.id, c.value)
	}
	e.forcible = e.device.hasControl(v4l2CIDForceKeyFrame) != nil
}

// h264Level is the least level that has room for the pictures, as the value of
// V4L2_CID_MPEG_VIDEO_H264_LEVEL (ITU-T H.264 table A-1: MaxMBPS, MaxFS).
func h264Level(s encoderSettings) int {
	size := (s.width + 15) / 16 * ((s.height + 15) / 16)
	for _, l := range []struct{ second, picture, value int }{
		{40500, 1620, 8}, {108000, 3600, 9}, {216000, 5120, 10}, {245760, 8192, 11}, {522240, 8704, 13}, {589824, 22080, 14}, {983040, 36864, 15},
	} {
		if size <= l.picture && float64(size)*s.rate <= float64(l.second) {
			return l.value
		}
	}
	return 16 // 5.2
}

// setBitRate changes what is aimed at, bit/s, from the next picture on.
func (e *m2mEncoder) setBitRate(rate int) { e.device.setControl(v4l2CIDBitRate, rate) }

// encode takes one picture of the encoder's size, and hands on what has come out
// of it and of earlier ones: as a rule one, but a driver may hold pictures back.
func (e *m2mEncoder) encode(p *image.YCbCr, captured time.Time, key bool, emit func(m2mUnit) error) error {
	if err := e.room(emit); err != nil {
		return err
	}
	index := e.raw.idle[0]
	e.layout.fill(e.raw.buffers[index], p)
	return e.give(index, captured, key, emit)
}

// give gives the driver a raw picture that lies in a buffer, and hands on what has come
// out. It fails with errNotTaken where the driver doesn't take the buffer.
func (e *m2mEncoder) give(index uint32, captured time.Time, key bool, emit func(m2mUnit) error) error {
	if (key || e.keyWanted) && e.forcible {
		e.device.setControl(v4l2CIDForceKeyFrame, 1)
	}
	e.keyWanted = false
	// Some drivers want all of the buffer to be called used.
	if err := e.raw.put(index, e.raw.format.size, captured.Sub(e.epoch).Microseconds()); err != nil {
		return fmt.Errorf("video encoder %s: %w", e.device.path, err)
	}
	if e.inside == 0 {
		e.came = time.Now()
	}
	e.inside++
	patience := time.Duration(float64(time.Second) / e.settings.rate)
	if !e.started {
		patience = m2mFirst
	}
	return e.collect(patience, emit)
}

// m2mUnit is what an encoder made of one picture. It is valid during the call.
type m2mUnit struct {
	data     []byte
	key      bool // the driver says so
	captured time.Time
}

// room sees to it that there is a buffer to fill.
func (e *m2mEncoder) room(emit func(m2mUnit) error) error {
	for {
		if err := e.takeBack(); err != nil {
			return err
		}
		if len(e.raw.idle) > 0 {
			return nil
		}
		if err := e.collect(m2mStall/10, emit); err != nil {
			return err
		}
	}
}

// takeBack gets the buffers back whose pictures the driver has read.
func (e *m2mEncoder) takeBack() error {
	for {
		r, err := e.raw.take()
		if errors.Is(err, errNothingYet) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("video encoder %s: %w", e.device.path, err)
		}
		e.letGo(r.index)
	}
}

// collect waits for a coded picture, and hands on all that there are. None in that
// time is no error, unless there has been none for m2mStall.
func (e *m2mEncoder) collect(patience time.Duration, emit func(m2mUnit) error) error {
	events, err := e.wait.wait(context.Background(), e.device.fd, patience)
	if err != nil {
		return fmt.Errorf("video encoder %s: %w", e.device.path, err)
	}
	if events&unix.POLLERR != 0 && events&unix.POLLIN == 0 {
		return fmt.Errorf("video encoder %s: it has failed", e.device.path)
	}
	for {
		r, err := e.coded.take()
		if errors.Is(err, errNothingYet) {
			if e.inside > 0 && time.Since(e.came) > m2mStall {
				return fmt.Errorf("video encoder %s: nothing has come out of it for %v", e.device.path, m2mStall)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("video encoder %s: %w", e.device.path, err)
		}
		if err := e.hand(r, emit); err != nil {
			return err
		}
	}
}

// hand hands one coded picture on and gives its buffer back to the driver.
func (e *m2mEncoder) hand(r m2mResult, emit func(m2mUnit) error) error {
	last := r.flags&v4l2BufFlagLast != 0
	var err error
	switch {
	case r.flags&v4l2BufFlagError != 0:
		err = fmt.Errorf("video encoder %s: it could not encode a picture", e.device.path)
	case len(r.data) > 0:
		e.inside, e.came, e.started = max(e.inside-1, 0), time.Now(), true
		err = emit(m2mUnit{data: r.data, key: r.flags&v4l2BufFlagKeyFrame != 0, captured: e.epoch.Add(time.Duration(r.stamp) * time.Microsecond)})
	}
	if err != nil {
		return err
	}
	if last {
		return errDrained
	}
	if err := e.coded.put(r.index, 0, 0); err != nil {
		return fmt.Errorf("video encoder %s: %w", e.device.path, err)
	}
	return nil
}

// drain hands on everything that is still inside (section "Drain" of the kernel's
// document). Nothing can be encoded afterwards.
func (e *m2mEncoder) drain(emit func(m2mUnit) error) error {
	stop := v4l2EncoderCmd{Cmd: v4l2EncoderStop}
	if err := e.device.ioctl(vidiocEncoderCmd, unsafe.Pointer(&stop)); err != nil {
		return fmt.Errorf("video encoder %s: draining it: %w", e.device.path, err)
	}
	for {
		if err := e.collect(m2mStall/10, emit); errors.Is(err, errDrained) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// close stops the encoder and frees all it has.
func (e *m2mEncoder) close() error {
	var errs []error
	for _, q := range []*m2mQueue{e.raw, e.coded} {
		if q != nil {
			errs = append(errs, q.stop())
		}
	}
	for i := range e.lent {
		e.letGo(uint32(i))
	}
	errs = append(errs, e.leaveSource())
	e.wait.shut()
	e.wait.release()
	return errors.Join(append(errs, e.device.k.Close(e.device.fd))...)
}
