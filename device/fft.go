package device

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// fft is the discrete Fourier transform of one length, a power of two.
type fft struct {
	twiddles []complex128
}

func newFFT(n int) *fft {
	f := &fft{twiddles: make([]complex128, n/2)}
	for i := range f.twiddles {
		f.twiddles[i] = cmplx.Exp(complex(0, -2*math.Pi*float64(i)/float64(n)))
	}
	return f
}

// transform replaces x by its transform (Cooley and Tukey, decimation in time).
func (f *fft) transform(x []complex128) {
	n := len(x)
	shift := 64 - bits.Len(uint(n-1))
	for i := range x {
		if j := int(bits.Reverse64(uint64(i)) >> shift); i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size *= 2 {
		half, step := size/2, n/size
		for start := 0; start < n; start += size {
			for k := range half {
				a, b := x[start+k], x[start+k+half]*f.twiddles[k*step]
				x[start+k], x[start+k+half] = a+b, a-b
			}
		}
	}
}
