package signaling

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(Limits{MessagesPerSecond: 10, Burst: 20})
		take := func(n int, want verdict) {
			t.Helper()
			for i := range n {
				if got := b.take(100); got != want {
					t.Fatalf("message %d of %d: %v, want %v", i+1, n, got, want)
				}
			}
		}
		take(20, inTime)
		take(1, tooFast)
		take(18, stillOn)
		time.Sleep(500 * time.Millisecond)
		take(5, inTime)
		take(1, stillOn) // told once only, until it was quiet
		time.Sleep(time.Second)
		take(10, inTime)
		take(1, tooFast) // half the burst was there again
		take(19, stillOn)
		take(3, flood)
		time.Sleep(time.Hour)
		take(18, inTime)
		if got := b.take(16 << 10); got != tooFast {
			t.Errorf("16 KiB with 2 left: %v", got)
		}
		time.Sleep(time.Hour)
		if b.take(1<<20) != inTime || b.take(0) != tooFast {
			t.Error("much at once after a long rest")
		}
	})
}

func TestAddrKey(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"192.0.2.1:5000", "192.0.2.1"},
		{"[::ffff:192.0.2.1]:5000", "192.0.2.1"},
		{"[2001:db8:1:2:3:4:5:6]:5000", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:5000", "fe80::/64"},
		{"pipe", "pipe"},
	} {
		if got := addrKey(tt.in); got != tt.want {
			t.Errorf("addrKey(%s) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestOutboxBounds(t *testing.T) {
	l := Limits{SendQueue: 3, MaxMessage: 1000}
	small, big := &frame{data: make([]byte, 10)}, &frame{data: make([]byte, 4*(1000+overhead)+1)}
	o := newOutbox(l)
	for range 3 {
		if !o.push(small) {
			t.Fatal("queue of 3 is full too early")
		}
	}
	if o.push(small) {
		t.Error("queue of 3 takes a fourth")
	}
	o = newOutbox(l)
	if !o.push(big) || o.push(big) {
		t.Error("the queue is not bounded in bytes")
	}
	if f, cause := o.next(); f != big || cause != nil || !o.push(big) {
		t.Error("bytes taken out still count")
	}
}

func TestOutboxShut(t *testing.T) {
	f := &frame{}
	o := newOutbox(Limits{}.withDefaults())
	o.push(f)
	o.shut(closure{code: 1, flush: true})
	o.shut(closure{code: 2})
	if !o.push(&frame{}) || o.open() {
		t.Error("a shut outbox must swallow what comes")
	}
	if got, _ := o.next(); got != f {
		t.Error("what was queued was not flushed")
	}
	if got, cause := o.next(); got != nil || cause == nil || cause.code != 1 {
		t.Errorf("end is %v, %v, want the first closure", got, cause)
	}
	o = newOutbox(Limits{}.withDefaults())
	o.push(f)
	o.shut(closure{code: 3})
	if got, cause := o.next(); got != nil || cause == nil {
		t.Errorf("next = %v, %v", got, cause)
	}
}
