// What the whole process asks of the C library and of the kernel, before anything else runs: heaps that are there stay, and
// threads have what the thread had that made them.

#include <malloc.h>
#include <sys/prctl.h>

// The encoders allocate and free much, on whichever thread Go runs them. glibc gives each thread a heap of its own, up to eight
// for each processor, and none of them gives back what is free in its midst: after some calls the program held twice the memory
// that it needs. All take one heap: few threads allocate at a time. (mallopt(3), M_ARENA_MAX.)
#ifdef M_ARENA_MAX
__attribute__((constructor)) static void one_heap(void) { mallopt(M_ARENA_MAX, 1); }
#endif

// Go's runtime watches its threads every 20 us while they work, and with many phones they often begin to: a fifth of the
// processor time that 16 of them cost went there. The kernel may wake a thread up to so many nanoseconds late (50 us by default,
// prctl(2), PR_SET_TIMERSLACK; 0.5 ms is a fortieth of a packet of sound), and so less often.
__attribute__((constructor)) static void calm_timers(void) { prctl(PR_SET_TIMERSLACK, 500000, 0, 0, 0); }
