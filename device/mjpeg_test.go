package device

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"testing"

	"doorbell/device/jpegtest"
)

// jpegOf encodes a picture of one colour with a dark half on the left.
func jpegOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 95}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func halves(width, height int) *image.YCbCr {
	p := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for i := range p.Y {
		p.Y[i] = 255
		if i%p.YStride < width/2 {
			p.Y[i] = 0
		}
	}
	for i := range p.Cb {
		p.Cb[i], p.Cr[i] = 80, 160
	}
	return p
}

// withoutTables cuts the DHT segments out, as many UVC cameras do.
func withoutTables(t testing.TB, data []byte) []byte {
	t.Helper()
	out := append([]byte(nil), data[:2]...)
	for at := 2; ; {
		if data[at+1] == jpegSOS {
			return append(out, data[at:]...)
		}
		size := 2 + int(data[at+2])<<8 + int(data[at+3])
		if data[at+1] != jpegDHT {
			out = append(out, data[at:at+size]...)
		}
		at += size
	}
}

func newDecoder(t testing.TB, width, height int) *mjpegDecoder {
	t.Helper()
	d, err := newMJPEGDecoder(width, height)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.free)
	return d
}

func near(a, b byte) bool { return max(a, b)-min(a, b) <= 3 }

func TestMJPEG(t *testing.T) {
	whole := jpegOf(t, halves(64, 48))
	for name, data := range map[string][]byte{
		"whole": whole, "without tables": withoutTables(t, whole), "padded": append(append([]byte(nil), whole...), make([]byte, 500)...),
		"filled": append([]byte{0xff, 0xd8, 0xff, 0xff}, whole[2:]...),
	} {
		p := newPicture(64, 48)
		if err := newDecoder(t, 64, 48).decode(p, data); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		dark, light := p.YCbCrAt(4, 20), p.YCbCrAt(60, 20)
		// Full range 0..255 has become 16..235.
		if !near(dark.Y, 16) || !near(light.Y, 235) || !near(light.Cb, 86) || !near(light.Cr, 156) {
			t.Errorf("%s: %v and %v", name, dark, light)
		}
	}
}

func TestMJPEGGrey(t *testing.T) {
	grey := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range grey.Pix {
		grey.Pix[i] = 255
	}
	p := newPicture(64, 48)
	if err := newDecoder(t, 64, 48).decode(p, jpegOf(t, grey)); err != nil {
		t.Fatal(err)
	}
	if c := p.YCbCrAt(9, 9); c != (color.YCbCr{Y: 235, Cb: 128, Cr: 128}) {
		t.Errorf("%v", c)
	}
}

func TestMJPEGDamage(t *testing.T) {
	whole := jpegOf(t, halves(64, 48))
	bomb := append([]byte(nil), whole...)
	at := bytes.Index(bomb, []byte{0xff, 0xc0})
	copy(bomb[at+5:], []byte{0xff, 0xff, 0xff, 0xff}) // 65535x65535
	d, p := newDecoder(t, 64, 48), newPicture(64, 48)
	for name, data := range map[string][]byte{
		"empty": nil, "cut off": whole[:len(whole)/3], "in the header": whole[:30], "other size": jpegOf(t, halves(32, 32)),
		"bomb": bomb, "noise": bytes.Repeat([]byte{0x5a}, 999), "markers only": {0xff, 0xd8, 0xff, 0xd9},
	} {
		if err := d.decode(p, data); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := d.decode(p, whole); err != nil {
		t.Errorf("after damage: %v", err)
	}
}

func TestStandardTablesAreThoseOfTheEncoder(t *testing.T) {
	if data := jpegOf(t, halves(64, 48)); !bytes.Contains(data, standardTables()) {
		t.Error("the tables are not those of T.81 annex K.3, which image/jpeg writes")
	}
}

func TestMJPEGCameraPassesOverDamage(t *testing.T) {
	n := newFakeNode(fakeFormat{format: pixMJPG, sizes: []v4l2FrmSizeEnum{discrete(64, 48)}})
	n.controls = nil
	c := openFake(t, n, CameraOptions{Width: 64, Height: 48}).(*RawCamera)
	whole := jpegOf(t, halves(64, 48))
	go func() {
		n.deliver(whole[:100], v4l2Buffer{})
		for waiting := true; waiting; {
			n.mu.Lock()
			waiting = len(n.filled) > 0
			n.mu.Unlock()
		}
		n.deliver(withoutTables(t, whole), v4l2Buffer{Sequence: 1})
	}()
	p, _, err := c.ReadPicture(t.Context())
	if err != nil || !near(p.Y[63], 235) {
		t.Fatalf("%v", err)
	}
	if c.Drops() != 1 {
		t.Errorf("%d dropped", c.Drops())
	}
}

func FuzzMJPEG(f *testing.F) {
	whole := jpegOf(f, halves(64, 48))
	f.Add(whole)
	f.Add(withoutTables(f, whole))
	f.Add(whole[:200])
	d, p := newDecoder(f, 64, 48), newPicture(64, 48)
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = d.decode(p, data) // must not panic, whatever comes
	})
}

// The means of the samples, whatever the JPEG's subsampling: as Go's decoder gives them, mapped to video's range.
func TestMJPEGSubsampling(t *testing.T) {
	for _, size := range []image.Point{{64, 48}, {63, 47}, {66, 50}} {
		for _, ratio := range []image.YCbCrSubsampleRatio{
			image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411,
		} {
			data := subsampled(t, size.X, size.Y, ratio)
			decoded, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			src, ok := decoded.(*image.YCbCr)
			if !ok || src.SubsampleRatio != ratio {
				t.Fatalf("the test's JPEG is %T %v, not %v", decoded, src.SubsampleRatio, ratio)
			}
			want, got := newPicture(size.X, size.Y), newPicture(size.X, size.Y)
			to420(want, src)
			newToLimited().apply(want)
			if err := newDecoder(t, size.X, size.Y).decode(got, data); err != nil {
				t.Fatalf("%v %v: %v", size, ratio, err)
			}
			for name, planes := range map[string][2][]byte{"Y": {want.Y, got.Y}, "Cb": {want.Cb, got.Cb}, "Cr": {want.Cr, got.Cr}} {
				if most := mostDifference(planes[0], planes[1]); most > 3 { // two decoders' rounding
					t.Errorf("%v %v: %s is up to %d off", size, ratio, name, most)
				}
			}
		}
	}
}

func mostDifference(a, b []byte) int {
	most := 0
	for i := range a {
		most = max(most, int(a[i])-int(b[i]), int(b[i])-int(a[i]))
	}
	return most
}

// subsampled is a JPEG of a picture with texture in all planes.
func subsampled(t testing.TB, width, height int, ratio image.YCbCrSubsampleRatio) []byte {
	t.Helper()
	p := image.NewYCbCr(image.Rect(0, 0, width, height), ratio)
	for i, plane := range [][]byte{p.Y, p.Cb, p.Cr} {
		stride := []int{p.YStride, p.CStride, p.CStride}[i]
		for at := range plane {
			x, y := float64(at%stride), float64(at/stride)
			plane[at] = byte(128 + 60*math.Sin(x/7+float64(i))*math.Cos(y/5) + 30*math.Sin(x/3))
		}
	}
	data, err := jpegtest.Encode(p, 90)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func BenchmarkMJPEG720p(b *testing.B) {
	data := subsampled(b, 1280, 720, image.YCbCrSubsampleRatio422) // as webcams have it
	d, p := newDecoder(b, 1280, 720), newPicture(1280, 720)
	b.Run("libjpeg-turbo", func(b *testing.B) {
		laps(b, nil, func(int) {
			if err := d.decode(p, data); err != nil {
				b.Fatal(err)
			}
		})
	})
	b.Run("image-jpeg", func(b *testing.B) { // what it replaced
		limited := newToLimited()
		laps(b, nil, func(int) {
			decoded, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				b.Fatal(err)
			}
			to420(p, decoded.(*image.YCbCr))
			limited.apply(p)
		})
	})
}
