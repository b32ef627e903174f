package device

import (
	"errors"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"doorbell/device/h264test"
)

// scene makes pictures that are about as much work as a camera's: something with
// texture passes to and fro, and the sensor is a little noisy.
type scene struct {
	texture *image.YCbCr
	picture *image.YCbCr
	random  *rand.Rand
}

const sceneTravel = 64

func newScene(width, height int) *scene {
	s := &scene{texture: newPicture(width+sceneTravel, height), picture: newPicture(width, height), random: rand.New(rand.NewPCG(1, 1))}
	for i := range s.texture.Y {
		x, y := float64(i%s.texture.YStride), float64(i/s.texture.YStride)
		s.texture.Y[i] = byte(120 + 40*math.Sin(x/9+y/31) + 30*math.Sin(y/7-x/53) + float64(s.random.IntN(8)))
	}
	for i := range s.picture.Cb {
		s.picture.Cb[i], s.picture.Cr[i] = byte(100+i/9%50), byte(150-i/11%40)
	}
	return s
}

func (s *scene) next(n int) *image.YCbCr {
	shift := n % (2 * sceneTravel)
	shift = min(shift, 2*sceneTravel-1-shift)
	for y := range s.picture.Rect.Dy() {
		copy(s.picture.Y[y*s.picture.YStride:][:s.picture.Rect.Dx()], s.texture.Y[y*s.texture.YStride+shift:])
	}
	for range len(s.picture.Y) / 16 {
		s.picture.Y[s.random.IntN(len(s.picture.Y))] += 3
	}
	return s.picture
}

func testEncoder(t testing.TB, s encoderSettings) *h264Encoder {
	t.Helper()
	if s.keyInterval == 0 {
		s.keyInterval = 10 * time.Second
	}
	e, err := newH264Encoder(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.close() })
	return e
}

func TestEncoderKeepsItsBitRate(t *testing.T) {
	if testing.Short() {
		t.Skip("encodes some seconds of video")
	}
	for _, c := range []struct {
		width, height int
		rate          float64
		bitRate       int
	}{{640, 360, 30, 600e3}, {640, 360, 30, 300e3}, {320, 240, 15, 200e3}, {1280, 720, 30, 1500e3}} {
		e := testEncoder(t, encoderSettings{width: c.width, height: c.height, rate: c.rate, bitRate: c.bitRate})
		pictures := newScene(c.width, c.height)
		const seconds = 6
		bits, skipped := 0, 0
		for i := range int(seconds * c.rate) {
			unit, _, err := e.encodeOne(pictures.next(i), false)
			if err != nil {
				t.Fatal(err)
			}
			if unit == nil {
				skipped++
			}
			bits += 8 * len(unit)
		}
		got := float64(bits) / seconds
		t.Logf("%dx%d at %g: %.0f bit/s of %d, %d pictures left out", c.width, c.height, c.rate, got, c.bitRate, skipped)
		if got < 0.75*float64(c.bitRate) || got > 1.25*float64(c.bitRate) {
			t.Errorf("%dx%d at %g: %.0f bit/s instead of %d", c.width, c.height, c.rate, got, c.bitRate)
		}
	}
}

func TestEncoderIsConstrainedBaseline(t *testing.T) {
	for _, size := range []image.Point{{640, 360}, {1280, 720}, {162, 122}, {16, 16}} {
		e := testEncoder(t, encoderSettings{width: size.X, height: size.Y, rate: 30})
		unit, key, err := e.encodeOne(newScene(size.X, size.Y).next(0), false)
		if err != nil || !key {
			t.Fatalf("%v: first picture: key %v, %v", size, key, err)
		}
		var kinds []byte
		eachNAL(unit, func(nal []byte) { kinds = append(kinds, nal[0]&0x1f) })
		if len(kinds) != 3 || kinds[0] != nalSPS || kinds[1] != nalPPS || kinds[2] != nalIDR {
			t.Errorf("%v: key frame has NAL units %v, not SPS, PPS, IDR", size, kinds)
		}
		s := e.units.info
		if s.profile != 66 || s.constraints&0x40 == 0 || s.width != size.X || s.height != size.Y {
			t.Errorf("%v: profile %d, constraints %#02x, size %dx%d", size, s.profile, s.constraints, s.width, s.height)
		}
		if size == (image.Point{1280, 720}) && s.level > 31 {
			t.Errorf("level %d, above what is offered (42e01f)", s.level)
		}
	}
}

func TestEncoderDecodes(t *testing.T) {
	e := testEncoder(t, encoderSettings{width: 320, height: 240, rate: 30})
	d, err := h264test.New()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	pictures := newScene(320, 240)
	for i := range 30 {
		p := pictures.next(i)
		unit, _, err := e.encodeOne(p, i == 20)
		if err != nil {
			t.Fatal(err)
		}
		if unit == nil {
			continue
		}
		got, err := d.Decode(unit)
		if err != nil || got == nil {
			t.Fatalf("picture %d: %v %v", i, got, err)
		}
		if off := meanDifference(p.Y, got.Y); off > 16 {
			t.Errorf("picture %d is %.1f from what was encoded", i, off)
		}
	}
}

func meanDifference(a, b []byte) float64 {
	sum := 0
	for i := range a {
		sum += max(int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return float64(sum) / float64(len(a))
}

func TestEncoderKeyFrames(t *testing.T) {
	e := testEncoder(t, encoderSettings{width: 320, height: 240, rate: 10, keyInterval: 2 * time.Second})
	pictures := newScene(320, 240)
	var keys []int
	for i := range 50 {
		_, key, err := e.encodeOne(pictures.next(i), i == 7)
		if err != nil {
			t.Fatal(err)
		}
		if key {
			keys = append(keys, i)
		}
	}
	if len(keys) < 3 || keys[0] != 0 || keys[1] != 7 {
		t.Errorf("key frames at %v; wanted at 0, at 7 as asked for, and every 2 s", keys)
	}
	for i := 2; i < len(keys); i++ {
		if gap := keys[i] - keys[i-1]; gap > 20 {
			t.Errorf("key frames at %v: %d pictures between them, not 20", keys, gap)
		}
	}
}

func TestEncoderRefusesWhatIsTooLarge(t *testing.T) {
	_, err := newH264Encoder(encoderSettings{width: 4096, height: 4096, rate: 30, keyInterval: time.Second})
	if err == nil || !strings.Contains(err.Error(), "4096x4096") {
		t.Errorf("error %v", err)
	}
}

func TestEncoderCloseTwice(t *testing.T) {
	e := testEncoder(t, encoderSettings{width: 320, height: 240, rate: 30})
	if err := errors.Join(e.close(), e.close()); err != nil {
		t.Error(err)
	}
}

func TestFittedBitRate(t *testing.T) {
	last := 0
	for _, size := range []image.Point{{160, 120}, {320, 240}, {640, 360}, {1280, 720}, {1920, 1080}, {3840, 2160}} {
		got := fittedBitRate(size.X, size.Y, 30)
		if got < last || got < 150e3 || got > 20e6 {
			t.Errorf("%v: %d", size, got)
		}
		last = got
	}
	if got := fittedBitRate(1280, 720, 30); got != 1500e3 {
		t.Errorf("720p30: %d", got)
	}
}

func BenchmarkEncodeH264(b *testing.B) {
	for _, size := range []image.Point{{1280, 720}, {640, 360}} {
		b.Run(fmt.Sprintf("%dx%d", size.X, size.Y), func(b *testing.B) {
			e := testEncoder(b, encoderSettings{width: size.X, height: size.Y, rate: 30})
			pictures := newScene(size.X, size.Y)
			var p *image.YCbCr
			laps(b, func(i int) { p = pictures.next(i) }, func(int) {
				if _, _, err := e.encodeOne(p, false); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}
