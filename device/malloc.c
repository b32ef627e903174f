// The encoders allocate and free much, on whichever thread Go runs them. glibc gives each thread a heap of its own, up to eight
// for each processor, and none of them gives back what is free in its midst: after some calls the program held twice the memory
// that it needs. All take one heap: few threads allocate at a time. (mallopt(3), M_ARENA_MAX.)

#include <malloc.h>

#ifdef M_ARENA_MAX
// Before anything else runs: heaps that are there stay.
__attribute__((constructor)) static void one_heap(void) { mallopt(M_ARENA_MAX, 1); }
#endif
