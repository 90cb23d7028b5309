//go:build linux && cgo

#define _GNU_SOURCE
#include "capi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096ul

// The most memory whose entries of /proc/self/pagemap are read before an instance is given up: more take longer than
// mapping the image anew.
#define SLOW_SIZE (4ul << 20)

// PAGEMAP_SCAN (linux/fs.h of Linux 6.7): the headers of the machine that builds may be older.
struct region {
  uint64_t start, end, categories;
};
struct scan {
  uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
  uint64_t inverted, mask, anyof, returned;
};
#define PAGEMAP_SCAN_IOCTL _IOWR('f', 16, struct scan)
enum { IS_FILE = 1 << 2, IS_PRESENT = 1 << 3, IS_SWAPPED = 1 << 4, IS_ZERO = 1 << 5 };

// Bits of an entry of /proc/self/pagemap.
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_FILE (1ull << 61) // or shared: not the process's own copy

bool shoal_pre_save(shoal_pre *p, const char *const *names, const size_t *lens, size_t n) {
  p->saved = calloc(n ? n : 1, sizeof *p->saved);
  if (!p->saved) return false;
  for (; p->nsaved < n; p->nsaved++)
    if (!(p->saved[p->nsaved] = strndup(names[p->nsaved], lens[p->nsaved]))) return false;
  return true;
}

// Finds the saved globals of in.
static bool lookup(shoal_instance *in, const shoal_pre *p) {
  if (in->saved) return true;
  wasmtime_global_t *g = calloc(p->nsaved ? p->nsaved : 1, sizeof *g);
  if (!g) return false;
  for (size_t i = 0; i < p->nsaved; i++) {
    wasmtime_extern_t ex;
    if (!wasmtime_instance_export_get(in->ctx, &in->instance, p->saved[i], strlen(p->saved[i]), &ex) ||
        ex.kind != WASMTIME_EXTERN_GLOBAL) {
      free(g);
      return false;
    }
    g[i] = ex.of.global;
  }
  in->saved = g;
  return true;
}

static size_t library_globals(const shoal_instance *in) { return in->libraries ? in->libraries->nsaved : 0; }

// Takes the values of the globals into img->vals and img->libvals, which the caller frees.
bool shoal_instance_save(shoal_instance *in, const shoal_pre *p, shoal_image *img) {
  if (!lookup(in, p)) return false;
  img->vals = calloc(p->nsaved ? p->nsaved : 1, sizeof *img->vals);
  if (!img->vals) return false;
  for (size_t i = 0; i < p->nsaved; i++) wasmtime_global_get(in->ctx, &in->saved[i], &img->vals[i]);
  size_t n = library_globals(in);
  if (!n) return true;
  img->libvals = calloc(n, sizeof *img->libvals);
  if (!img->libvals) return false;
  for (; img->nlibvals < n; img->nlibvals++)
    wasmtime_global_get(in->ctx, &in->libraries->saved[img->nlibvals], &img->libvals[img->nlibvals]);
  return true;
}

static bool set_all(shoal_instance *in, const wasmtime_global_t *globals, const wasmtime_val_t *vals, size_t n) {
  for (size_t i = 0; i < n; i++) {
    wasmtime_error_t *err = wasmtime_global_set(in->ctx, &globals[i], &vals[i]);
    if (err) {
      wasmtime_error_delete(err);
      return false;
    }
  }
  return true;
}

static bool set_globals(shoal_instance *in, const shoal_pre *p, const shoal_image *img) {
  if (!set_all(in, in->saved, img->vals, p->nsaved)) return false;
  if (!img->nlibvals) return true;
  return library_globals(in) == img->nlibvals && set_all(in, in->libraries->saved, img->libvals, img->nlibvals);
}

static uint8_t *memory(shoal_instance *in, size_t *len) {
  *len = wasmtime_memory_data_size(in->ctx, &in->memory);
  return wasmtime_memory_data(in->ctx, &in->memory);
}

// MADV_POPULATE_WRITE, since Linux 5.14: the headers of the machine that builds may be older.
#define POPULATE_WRITE 23

// How many pages a first call may have written to be an example for others, and how far apart they are one span.
enum { HOT_PAGES = 64, HOT_GAP = 4 };

// Adds the pages from offset at to offset end, which come in order, as far as there is room.
static void add_hot(shoal_hot *h, size_t at, size_t end) {
  uint32_t page = (uint32_t)(at / PAGE), n = (uint32_t)((end - at) / PAGE), room = HOT_PAGES - h->pages;
  shoal_span *last = h->n ? &h->spans[h->n - 1] : NULL;
  if (last && page <= last->page + last->n + HOT_GAP) { // what lies between is taken too
    n += page - (last->page + last->n);
    if (n > room) n = room;
    last->n += n, h->pages += n;
    return;
  }
  if (n > room) n = room;
  if (!n || h->n == sizeof h->spans / sizeof *h->spans) return;
  h->spans[h->n++] = (shoal_span){page, n};
  h->pages += n;
}

// Begins to learn from a reset, if nobody did yet.
static bool begin_hot(shoal_image *img) {
  uint32_t unknown = SHOAL_UNKNOWN;
  if (!__atomic_compare_exchange_n(&img->hot.state, &unknown, SHOAL_LEARNING, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
    return false;
  img->hot.n = img->hot.pages = 0;
  return true;
}

static void end_hot(shoal_image *img, bool learned) {
  __atomic_store_n(&img->hot.state, learned ? SHOAL_KNOWN : SHOAL_UNKNOWN, __ATOMIC_RELEASE);
}

// Makes copies of the pages that the first call wrote, all at once, where the image was just mapped: a fault for each would
// cost twice as much, and in some virtual machines ten times. It changes no content, and that it may fail is of no account.
void shoal_instance_warm(shoal_instance *in, const shoal_image *img) {
  if (!in->bare || __atomic_load_n(&img->hot.state, __ATOMIC_ACQUIRE) != SHOAL_KNOWN) return;
  in->bare = false;
  uint8_t *base = wasmtime_memory_data(in->ctx, &in->memory);
  for (uint32_t i = 0; i < img->hot.n; i++) {
    size_t at = img->hot.spans[i].page * PAGE, n = img->hot.spans[i].n * PAGE;
    if (at + n <= img->size) madvise(base + at, n, POPULATE_WRITE);
  }
}

static bool huge; // the kernel gives huge pages to whoever does not refuse them
static pthread_once_t huge_asked = PTHREAD_ONCE_INIT;

static void ask_huge(void) {
  char mode[64] = {0};
  int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, mode, sizeof mode - 1);
  close(fd);
  huge = n > 0 && strstr(mode, "[always]");
}

// Maps the image over [base, base + img->size), whatever was there. Returns 0 or an errno.
static int map(uint8_t *base, const shoal_image *img) {
  const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;
  size_t rest = img->size - img->len;
  if (img->len && mmap(base, img->len, prot, flags, img->fd, 0) == MAP_FAILED) return errno;
  if (!rest) return 0;
  if (mmap(base + img->len, rest, prot, flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) return errno;
  pthread_once(&huge_asked, ask_huge);
  if (huge) madvise(base + img->len, rest, MADV_NOHUGEPAGE); // else one byte written may cost 512 pages at a reset
  return 0;
}

// Makes an instance that has run nothing, or an initialiser, what the image has. Returns 0, an errno, or -1 when the
// instance is not of the image's shape and nothing was changed.
int shoal_instance_restore(shoal_instance *in, const shoal_pre *p, const shoal_image *img) {
  if (!in->has_memory || !lookup(in, p)) return -1;
  size_t size;
  uint8_t *base = memory(in, &size);
  if (size < img->size) {
    uint64_t before;
    wasmtime_error_t *err = wasmtime_memory_grow(in->ctx, &in->memory, (img->size - size) >> 16, &before);
    if (err) {
      wasmtime_error_delete(err);
      return ENOMEM;
    }
    base = memory(in, &size);
  }
  if (size != img->size) return -1;
  int err = map(base, img);
  if (err) return err;
  in->bare = true;
  shoal_instance_warm(in, img);
  return set_globals(in, p, img) ? 0 : EINVAL;
}

static bool is_zero(const uint8_t *p, size_t n) {
  const uint64_t *w = (const uint64_t *)p;
  for (size_t i = 0; i < n / 8; i += 4)
    if (w[i] | w[i + 1] | w[i + 2] | w[i + 3]) return false;
  return true;
}

// Puts back the pages from offset at to offset end.
static void put_back(uint8_t *base, const shoal_image *img, size_t at, size_t end) {
  if (at < img->len) {
    size_t n = (end < img->len ? end : img->len) - at;
    memcpy(base + at, img->view + at, n);
    at += n;
  }
  for (; at < end; at += PAGE) // reading memory that was never written leaves pages of zeros
    if (!is_zero(base + at, PAGE)) memset(base + at, 0, PAGE);
}

// A page of a private mapping differs from what is mapped only if it is the process's own: present or swapped, and not the
// file's. Of anonymous memory every page is.
bool shoal_page_dirty(uint64_t entry) { return (entry & (ENTRY_PRESENT | ENTRY_SWAPPED)) && !(entry & ENTRY_FILE); }

// Each puts back the dirty pages of [base, base + size) and returns how many there were; -1 when there were more than max,
// of which only some are put back then; -2 when the kernel does not answer. What was dirty is added to hot, if there is one.
static long by_scan(uint8_t *base, size_t size, const shoal_image *img, int pagemap, size_t max, shoal_hot *hot) {
  struct region found[64];
  size_t n = 0;
  uint64_t at = (uint64_t)base, end = at + size;
  while (at < end) {
    struct scan s = {.size = sizeof s, .start = at, .end = end, .vec = (uint64_t)found, .vec_len = 64,
                     .inverted = IS_FILE | IS_ZERO, .mask = IS_FILE | IS_ZERO, .anyof = IS_PRESENT | IS_SWAPPED,
                     .returned = IS_FILE};
    int k = ioctl(pagemap, PAGEMAP_SCAN_IOCTL, &s);
    if (k < 0) {
      if (errno == EINTR || errno == EAGAIN) continue;
      return -2;
    }
    for (int i = 0; i < k; i++) {
      if ((n += (found[i].end - found[i].start) / PAGE) > max) return -1;
      put_back(base, img, found[i].start - (uint64_t)base, found[i].end - (uint64_t)base);
      if (hot) add_hot(hot, found[i].start - (uint64_t)base, found[i].end - (uint64_t)base);
    }
    if (s.walk_end <= at) return -2;
    at = s.walk_end;
  }
  return (long)n;
}

static long by_pagemap(uint8_t *base, size_t size, const shoal_image *img, int pagemap, size_t max, shoal_hot *hot) {
  uint64_t entries[1024];
  size_t n = 0;
  for (size_t at = 0; at < size;) {
    size_t want = (size - at) / PAGE;
    if (want > 1024) want = 1024;
    ssize_t got = pread(pagemap, entries, want * 8, (off_t)(((uint64_t)base + at) / PAGE * 8));
    if (got < 0 && errno == EINTR) continue;
    if (got < 8) return -2;
    for (size_t i = 0; i < (size_t)got / 8; i++, at += PAGE) {
      if (!shoal_page_dirty(entries[i])) continue;
      if (++n > max) return -1;
      put_back(base, img, at, at + PAGE);
      if (hot) add_hot(hot, at, at + PAGE);
    }
  }
  return (long)n;
}

// Returns 0 when in can be put back, else why not: SHOAL_GREW, or another negative number.
static long unusable(shoal_instance *in, const shoal_image *img) {
  size_t size;
  if (!in->saved || in->error || in->trap) return -3;
  memory(in, &size);
  return size == img->size ? 0 : SHOAL_GREW;
}

// Puts back everything that a call changed, and makes the instance ready for the next. Returns how many pages were put
// back, or a negative number when it could not: the instance is of no more use then.
long shoal_instance_reset(shoal_instance *in, const shoal_pre *p, shoal_image *img, int pagemap, int how, size_t max) {
  long why = unusable(in, img);
  if (why) return why;
  size_t size;
  uint8_t *base = memory(in, &size);
  bool learns = begin_hot(img);
  shoal_hot *hot = learns ? &img->hot : NULL;
  long n = how == SHOAL_SCAN ? by_scan(base, size, img, pagemap, max, hot) : by_pagemap(base, size, img, pagemap, max, hot);
  if (learns) end_hot(img, n >= 0);
  if (n < 0) return n;
  if (!set_globals(in, p, img)) return -5;
  shoal_instance_unkill(in);
  return n;
}

// Is shoal_instance_reset for an instance that nobody will use soon: beyond max dirty pages all of them are given back.
bool shoal_instance_empty(shoal_instance *in, const shoal_pre *p, shoal_image *img, int pagemap, int how, size_t max) {
  bool asks = how == SHOAL_SCAN || img->size <= SLOW_SIZE;
  long n = asks ? shoal_instance_reset(in, p, img, pagemap, how, max) : unusable(in, img) ? -3 : -1;
  if (n != -1) return n >= 0;
  size_t size;
  if (map(memory(in, &size), img) || !set_globals(in, p, img)) return false;
  in->bare = true;
  shoal_instance_unkill(in);
  return true;
}

// Tries PAGEMAP_SCAN on a page that was written. Returns SHOAL_SCAN or SHOAL_PAGEMAP, whichever finds it, else -1.
int shoal_scan_works(int pagemap) {
  if (sysconf(_SC_PAGESIZE) != (long)PAGE) return -1;
  uint8_t *m = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (m == MAP_FAILED) return -1;
  madvise(m, 3 * PAGE, MADV_NOHUGEPAGE);
  shoal_image none = {.fd = -1, .size = 3 * PAGE};
  int how = -1;
  for (int try = SHOAL_SCAN; try <= SHOAL_PAGEMAP && how < 0; try++) {
    memset(m + PAGE, 1, PAGE);
    long n = try == SHOAL_SCAN ? by_scan(m, 3 * PAGE, &none, pagemap, 3, NULL)
                                : by_pagemap(m, 3 * PAGE, &none, pagemap, 3, NULL);
    if (n == 1 && is_zero(m + PAGE, PAGE)) how = try;
  }
  munmap(m, 3 * PAGE);
  return how;
}
