// Kernels for the cost of interruption: seven kinds of loop and recursion, each a function that takes a few milliseconds
// and returns a checksum. It needs no library. Build:
//
//   clang --target=wasm32 -O2 -nostdlib -fno-builtin -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=16384 \
//     -o kernels.wasm kernels.c

typedef unsigned u32;
typedef unsigned char u8;
#define KERNEL(name) __attribute__((export_name(#name), noinline)) double name(void)

static u32 seed;
static u32 next(void) { return seed = seed * 1664525u + 1013904223u; }

enum { N = 128 };
static double a[N][N], b[N][N], c[N][N];

KERNEL(matmul) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) a[i][j] = i + j, b[i][j] = i - j;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      double s = 0;
      for (int k = 0; k < N; k++) s += a[i][k] * b[k][j];
      c[i][j] = s;
    }
  return c[N - 1][N / 2];
}

typedef struct { double x, y, z, vx, vy, vz, m; } body;

KERNEL(nbody) {
  static body p[5];
  for (int i = 0; i < 5; i++) p[i] = (body){i * 3.1, i * 1.7 + 1, i * 0.3, 0.1 * i, 0.2, -0.1 * i, 1.0 / (i + 1)};
  for (int step = 0; step < 20000; step++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double dx = p[i].x - p[j].x, dy = p[i].y - p[j].y, dz = p[i].z - p[j].z;
        double d2 = dx * dx + dy * dy + dz * dz + 0.01, mag = 0.001 / (d2 * __builtin_sqrt(d2));
        p[i].vx -= dx * p[j].m * mag, p[i].vy -= dy * p[j].m * mag, p[i].vz -= dz * p[j].m * mag;
        p[j].vx += dx * p[i].m * mag, p[j].vy += dy * p[i].m * mag, p[j].vz += dz * p[i].m * mag;
      }
    for (int i = 0; i < 5; i++) p[i].x += 0.001 * p[i].vx, p[i].y += 0.001 * p[i].vy, p[i].z += 0.001 * p[i].vz;
  }
  return p[0].x + p[4].z;
}

KERNEL(sieve) {
  enum { MOST = 1 << 20 };
  static u8 composite[MOST];
  u32 found = 0;
  for (u32 i = 0; i < MOST; i++) composite[i] = 0;
  for (u32 i = 2; i < MOST; i++) {
    if (composite[i]) continue;
    found++;
    for (u32 j = i + i; j < MOST; j += i) composite[j] = 1;
  }
  return found;
}

__attribute__((noinline)) static u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

KERNEL(fib) { return fibonacci(29); }

KERNEL(chase) {
  enum { CELLS = 1 << 16 };
  static u32 to[CELLS];
  seed = 1;
  for (u32 i = 0; i < CELLS; i++) to[i] = i;
  for (u32 i = CELLS - 1; i > 0; i--) { // one cycle through all
    u32 j = next() % i, t = to[i];
    to[i] = to[j], to[j] = t;
  }
  u32 at = 0;
  for (u32 i = 0; i < 1 << 20; i++) at = to[at];
  return at;
}

KERNEL(crc) {
  static u32 table[256];
  static u8 text[1 << 16];
  for (u32 i = 0; i < 256; i++) {
    u32 r = i;
    for (int k = 0; k < 8; k++) r = r & 1 ? r >> 1 ^ 0xedb88320u : r >> 1;
    table[i] = r;
  }
  seed = 7;
  for (u32 i = 0; i < sizeof text; i++) text[i] = next() >> 24;
  u32 r = ~0u;
  for (int round = 0; round < 24; round++)
    for (u32 i = 0; i < sizeof text; i++) r = r >> 8 ^ table[(r ^ text[i]) & 0xff];
  return r;
}

KERNEL(jacobi) {
  enum { SIDE = 200 };
  static double grid[2][SIDE][SIDE];
  for (int i = 0; i < SIDE; i++)
    for (int j = 0; j < SIDE; j++) grid[0][i][j] = grid[1][i][j] = i == 0 ? 100 : 0;
  for (int step = 0; step < 80; step++) {
    double (*from)[SIDE] = grid[step & 1], (*to)[SIDE] = grid[~step & 1];
    for (int i = 1; i < SIDE - 1; i++)
      for (int j = 1; j < SIDE - 1; j++) to[i][j] = 0.25 * (from[i - 1][j] + from[i + 1][j] + from[i][j - 1] + from[i][j + 1]);
  }
  return grid[0][SIDE / 4][SIDE / 2];
}
