package device

import "image"

// fitted is the largest even size of that shape which fits into most, lying or
// standing as the picture does; nothing is made larger.
func fitted(size, most image.Point) image.Point {
	if size.Y > size.X {
		most = image.Pt(most.Y, most.X)
	}
	if size.X <= most.X && size.Y <= most.Y {
		return image.Pt(size.X&^1, size.Y&^1)
	}
	if size.X*most.Y > size.Y*most.X { // wider
		return image.Pt(most.X&^1, max(size.Y*most.X/size.X&^1, 2))
	}
	return image.Pt(max(size.X*most.Y/size.Y&^1, 2), most.Y&^1)
}

// scaleDown writes p into to, which is no larger: each sample is the mean of those
// that it covers, by whole samples.
func scaleDown(to, p *image.YCbCr) {
	w, h, fromW, fromH := to.Rect.Dx(), to.Rect.Dy(), p.Rect.Dx(), p.Rect.Dy()
	plane := scalePlane
	switch {
	case w == fromW && h == fromH:
		plane = func(dst []byte, dstStride int, src []byte, srcStride int, w, h, _, _ int) {
			copyPlane(dst, dstStride, src, srcStride, w, h)
		}
	case 2*w == fromW && 2*h == fromH:
		plane = func(dst []byte, dstStride int, src []byte, srcStride int, w, h, _, _ int) {
			halvePlane(dst, dstStride, src, srcStride, w, h)
		}
	}
	plane(to.Y, to.YStride, p.Y, p.YStride, w, h, fromW, fromH)
	plane(to.Cb, to.CStride, p.Cb, p.CStride, w/2, h/2, fromW/2, fromH/2)
	plane(to.Cr, to.CStride, p.Cr, p.CStride, w/2, h/2, fromW/2, fromH/2)
}

// scalePlane scales a plane of fromW by fromH samples down to w by h.
func scalePlane(dst []byte, dstStride int, src []byte, srcStride int, w, h, fromW, fromH int) {
	sums := make([]int, fromW) // of the rows that a row covers
	for y := range h {
		top, bottom := y*fromH/h, (y+1)*fromH/h
		clear(sums)
		for r := top; r < bottom; r++ {
			row := src[r*srcStride:][:fromW]
			for x, v := range row {
				sums[x] += int(v)
			}
		}
		out := dst[y*dstStride:][:w]
		left := 0
		for x := range out {
			right := (x + 1) * fromW / w
			sum := 0
			for _, v := range sums[left:right] {
				sum += v
			}
			n := (right - left) * (bottom - top)
			out[x] = byte((sum + n/2) / n)
			left = right
		}
	}
}
