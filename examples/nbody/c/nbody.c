/*
 * Simulates the Sun and the four outer planets, and prints the system's energy before and after.
 *
 * It is a plain C program, with nothing of Shoal in it: the number of steps comes from standard input, which is the
 * call's input, and what it prints is the call's output.
 */
#include <math.h>
#include <stdio.h>

enum { BODIES = 5 };

static const double PI = 3.141592653589793;
static const double DAYS = 365.24; /* of a year: velocities below are per day, the simulation's per year */
static const double STEP = 0.01;   /* years */

struct body {
    double at[3];       /* astronomical units */
    double velocity[3]; /* astronomical units per day, until set_up makes it years */
    double mass;        /* of the Sun, until set_up makes it units in which gravity's constant is 1 */
};

static struct body bodies[BODIES] = {
    {{0, 0, 0}, {0, 0, 0}, 1}, /* Sun */
    {{4.84143144246472090e+00, -1.16032004402742839e+00, -1.03622044471123109e-01}, /* Jupiter */
     {1.66007664274403694e-03, 7.69901118419740425e-03, -6.90460016972063023e-05},
     9.54791938424326609e-04},
    {{8.34336671824457987e+00, 4.12479856412430479e+00, -4.03523417114321381e-01}, /* Saturn */
     {-2.76742510726411899e-03, 4.99852801234917238e-03, 2.30417297573763929e-05},
     2.85885980666130812e-04},
    {{1.28943695621391310e+01, -1.51111514016986312e+01, -2.23307578892655734e-01}, /* Uranus */
     {2.96460137564761618e-03, 2.37847173959480950e-03, -2.96589568540237556e-05},
     4.36624404335156298e-05},
    {{1.53796971148509165e+01, -2.59193146099879641e+01, 1.79258772950371181e-01}, /* Neptune */
     {2.68067772490389322e-03, 1.62824170038242295e-03, -9.51592254519715870e-05},
     5.15138902046611451e-05},
};

/* Converts the units, and gives the Sun the velocity with which the whole system stands still. */
static void set_up(void)
{
    const double solar_mass = 4 * PI * PI;
    double momentum[3] = {0, 0, 0};
    for (int i = 0; i < BODIES; i++) {
        bodies[i].mass *= solar_mass;
        for (int k = 0; k < 3; k++) {
            bodies[i].velocity[k] *= DAYS;
            momentum[k] += bodies[i].velocity[k] * bodies[i].mass;
        }
    }
    for (int k = 0; k < 3; k++) {
        bodies[0].velocity[k] = -momentum[k] / bodies[0].mass;
    }
}

/* Puts the way from b to a in way and returns the square of its length. */
static double way_between(const struct body *a, const struct body *b, double way[3])
{
    double square = 0;
    for (int k = 0; k < 3; k++) {
        way[k] = a->at[k] - b->at[k];
        square += way[k] * way[k];
    }
    return square;
}

static void advance(void)
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            struct body *a = &bodies[i], *b = &bodies[j];
            double way[3];
            double square = way_between(a, b, way);
            double pull = STEP / (square * sqrt(square));
            for (int k = 0; k < 3; k++) {
                a->velocity[k] -= way[k] * b->mass * pull;
                b->velocity[k] += way[k] * a->mass * pull;
            }
        }
    }
    for (int i = 0; i < BODIES; i++) {
        for (int k = 0; k < 3; k++) {
            bodies[i].at[k] += STEP * bodies[i].velocity[k];
        }
    }
}

static double energy(void)
{
    double sum = 0;
    for (int i = 0; i < BODIES; i++) {
        const double *v = bodies[i].velocity;
        sum += bodies[i].mass * (v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) / 2;
        for (int j = i + 1; j < BODIES; j++) {
            double way[3];
            sum -= bodies[i].mass * bodies[j].mass / sqrt(way_between(&bodies[i], &bodies[j], way));
        }
    }
    return sum;
}

int main(void)
{
    long steps;
    if (scanf("%ld", &steps) != 1 || steps < 0) {
        fputs("nbody: the input must be a number of steps, as 1000\n", stderr);
        return 1;
    }
    set_up();
    printf("%.9f\n", energy());
    for (long i = 0; i < steps; i++) {
        advance();
    }
    printf("%.9f\n", energy());
    return 0;
}
