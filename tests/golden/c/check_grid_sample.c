/* Checks grid_sample in C against the golden suite: three modes, three paddings, values, first and second derivatives.

       refwarp golden export --out suite.json
       cc -std=c99 -O2 -ffp-contract=off -I refwarp/golden -DREAL=float tests/golden/c/check_grid_sample.c -lm

   -DREAL      what the sampler computes in: float, or double (the default)
   -DCAREFUL   measure coordinates of bilinear samples from the centre of the map, so that they keep their digits:
               their values are faithful then. Without it they are computed as they are written in books
   -DDEFECT    forget the next pixel of a row where its weight is 0: values stay right, slopes on pixels do not

   Kinks are right, ties are even. Prints how many outputs got which grade. Exit code 0, 1 (one is wrong, or none was
   checked) or 2 (no whole file). It is C and C++. */

#include "check.h"

typedef enum { BILINEAR, NEAREST, BICUBIC } Mode;
typedef enum { ZEROS, BORDER, REFLECTION } Padding;
typedef struct { Mode mode; Padding padding; int corners; } Options;

/* A pixel that a coordinate reads: its index, weight, slope and curvature in pixels. At most four along an axis. */
typedef struct { long n; real weight, slope, curvature; } Tap;
typedef struct { int count; Tap taps[4]; } Axis;

/* Keys' polynomials with a = -3/4 at a distance d, the second derivative from the right. */
static Tap cubic(real d, long n)
{
    const real a = (real)-0.75, r = d < 0 ? -d : d, side = d < 0 ? -1 : 1;
    Tap tap = {n, 0, 0, 0};
    if (r < 1 || d == -1) {
        tap.weight = (a + 2) * r * r * r - (a + 3) * r * r + 1;
        tap.slope = side * (3 * (a + 2) * r * r - 2 * (a + 3) * r);
        tap.curvature = 6 * (a + 2) * r - 2 * (a + 3);
    } else {
        tap.weight = a * r * r * r - 5 * a * r * r + 8 * a * r - 4 * a;
        tap.slope = side * (3 * a * r * r - 10 * a * r + 8 * a);
        tap.curvature = 6 * a * r - 10 * a;
    }
    return tap;
}

/* The pixel at an index beyond the map, or -1. */
static long padded(long n, long size, Options options)
{
    if (options.padding == BORDER) return n < 0 ? 0 : n >= size ? size - 1 : n;
    if (options.padding == REFLECTION) {
        long period = options.corners ? (size > 1 ? 2 * (size - 1) : 1) : 2 * size;
        n = (n % period + period) % period;
        return n < size ? n : period - n - !options.corners;
    }
    return n >= 0 && n < size ? n : -1;
}

/* The mirror image of x between the ends, and the sign of its slope. */
static real mirrored(real x, long size, int corners, real *sign)
{
    const real low = corners ? 0 : (real)-0.5, span = (real)(corners ? size - 1 : size);
    real away = x - low, rest, turns;
    *sign = 1;
    if (span == 0) return 0;
    if (away < 0) away = -away, *sign = -1;
    rest = (real)fmod(away, span);
    turns = (real)floor((double)away / (double)span);
    if (fmod(turns, 2) == 0) return rest + low;
    *sign = -*sign;
    return span - rest + low;
}

/* Add a tap, if there is such a pixel. */
static void add(Axis *axis, Tap tap, long size)
{
    if (tap.n >= 0 && tap.n < size) axis->taps[axis->count++] = tap;
}

/* The pixels that a finite or infinite coordinate reads. */
static Axis taps(real g, long size, Options options)
{
    Axis axis = {0, {{0, 0, 0, 0}}};
    const real scale = (real)(size - options.corners), last = (real)(size - 1);
    real x, sign = 1;
    long cell, n;
    if (options.padding == REFLECTION && (g > 1024 || g < -1024)) g = (real)fmod(g, 4); /* before it overflows */
    x = g - g != 0 ? g : ((g + 1) * scale + (last - scale)) / 2;
    if (options.mode == BICUBIC) {
        if (options.padding != REFLECTION) x = x < -3 ? -3 : x > size + 2 ? (real)(size + 2) : x;
        cell = (long)floor(x);
        for (n = cell - 1; n < cell + 3; n++) {
            Tap tap = cubic(x - (real)n, n);
            tap.n = padded(n, size, options);
            add(&axis, tap, size);
        }
        return axis;
    }
    if (options.padding == REFLECTION) x = mirrored(x, size, options.corners, &sign);
    if (options.padding == ZEROS) {
        x = x < -2 ? -2 : x > size + 1 ? (real)(size + 1) : x;
    } else {
        if (x <= 0 || x >= last) sign = 0;
        x = x < 0 ? 0 : x > last ? last : x;
    }
    if (options.mode == NEAREST) {
        Tap tap = {(long)rint(x), 1, 0, 0};
        add(&axis, tap, size);
        return axis;
    }
    cell = (long)floor(x);
    {
        Tap left = {cell, (real)(cell + 1) - x, -sign, 0}, right = {cell + 1, x - (real)cell, sign, 0};
#ifdef CAREFUL
        if (options.padding == ZEROS && g - g == 0 && x > -2 && x < size + 1) {
            double s = size - options.corners, t = g * s, rest = fma(g, s, -t), edge;
            const long odd = (size - 1) % 2;
            edge = 2 * floor((t + odd) / 2) - odd;
            if (t - edge + rest < 0) edge -= 2; /* t was rounded up to the edge */
            left.n = (long)((size - 1 + edge) / 2), right.n = left.n + 1;
            right.weight = (real)((t - edge + rest) / 2);
            left.weight = (real)((edge + 2 - t - rest) / 2);
        }
#endif
        add(&axis, left, size);
        if (!FORGETFUL || right.weight != 0) add(&axis, right, size);
    }
    return axis;
}

/* What goes in (the last two are cotangents of the gradients, or NULL), and what comes out, which starts at 0. */
typedef struct { const double *input, *grid, *gout, *cotangent_input, *cotangent_grid; } Given;
typedef struct { real *output, *ginput, *ggrid, *ggout, *second_ginput, *second_ggrid; } Results;

static void grid_sample(Given in, const long shape[4], long points, Options options, Results out)
{
    const long N = shape[0], C = shape[1], H = shape[2], W = shape[3];
    const real sx = (real)(W - options.corners), sy = (real)(H - options.corners);
    long b, c, p;
    int i, j;
    for (b = 0; b < N; b++) for (p = 0; p < points; p++) {
        const long place = (b * points + p) * 2;
        const real gx = (real)in.grid[place], gy = (real)in.grid[place + 1];
        const int infinite = gx - gx != 0 || gy - gy != 0;
        const int none = gx != gx || gy != gy || (options.padding == REFLECTION && infinite);
        real bx = 0, by = 0, slope[2] = {0, 0}, bend[2] = {0, 0};
        Axis x = {0, {{0, 0, 0, 0}}}, y = x;
        if (!none) x = taps(gx, W, options), y = taps(gy, H, options);
        if (in.cotangent_grid)
            bx = (real)in.cotangent_grid[place] * sx / 2, by = (real)in.cotangent_grid[place + 1] * sy / 2;
        for (c = 0; c < C; c++) {
            const long plane = (b * C + c) * H * W, o = (b * C + c) * points + p;
            const real g = in.gout ? (real)in.gout[o] : 0;
            for (j = 0; j < y.count; j++) for (i = 0; i < x.count; i++) {
                const Tap ty = y.taps[j], tx = x.taps[i];
                const long at = plane + ty.n * W + tx.n;
                const real u = (real)in.input[at], a = in.cotangent_input ? (real)in.cotangent_input[at] : 0;
                const real w = tx.weight * ty.weight, wx = tx.slope * ty.weight, wy = tx.weight * ty.slope;
                const real wxx = tx.curvature * ty.weight, wyy = tx.weight * ty.curvature, wxy = tx.slope * ty.slope;
                out.output[o] += u * w;
                out.ginput[at] += g * w;
                slope[0] += u * g * wx, slope[1] += u * g * wy;
                out.ggout[o] += a * w + u * (bx * wx + by * wy);
                out.second_ginput[at] += g * (bx * wx + by * wy);
                bend[0] += g * (a * wx + u * (bx * wxx + by * wxy));
                bend[1] += g * (a * wy + u * (by * wyy + bx * wxy));
            }
            if (none) out.output[o] = out.ggout[o] = (real)NAN;
        }
        out.ggrid[place] = none ? (real)NAN : slope[0] * sx / 2;
        out.ggrid[place + 1] = none ? (real)NAN : slope[1] * sy / 2;
        out.second_ggrid[place] = none ? (real)NAN : bend[0] * sx / 2;
        out.second_ggrid[place + 1] = none ? (real)NAN : bend[1] * sy / 2;
    }
}

/* ---- the check ---- */

#define OUTPUTS 6
static const char *const PATHS[OUTPUTS] = {"forward/output",   "vjp/ginput",        "vjp/ggrid",
                                           "second_vjp/ggout", "second_vjp/ginput", "second_vjp/ggrid"};

int main(int argc, char **argv)
{
    Tally tally = {OUTPUTS, PATHS, {{0}}, 0, 0};
    rg_suite suite;
    int i;
    if (check_open(&suite, argc, argv)) return 2;
    while (rg_next(&suite)) {
        static const char *const names[5] = {"input", "grid", "gout", "cotangent_input", "cotangent_grid"};
        rg_array in[5];
        real *results[OUTPUTS];
        Options options = {BILINEAR, ZEROS, 0};
        if (!rg_is(&suite, "operation", "grid_sample") || rg_is(&suite, "result", "invalid") || !rg_asked(&suite, TYPE))
            continue;
        if (rg_option_is(&suite, "mode", "nearest")) options.mode = NEAREST;
        if (rg_option_is(&suite, "mode", "bicubic")) options.mode = BICUBIC;
        if (rg_option_is(&suite, "padding_mode", "border")) options.padding = BORDER;
        if (rg_option_is(&suite, "padding_mode", "reflection")) options.padding = REFLECTION;
        options.corners = rg_option_is(&suite, "align_corners", "true");
        for (i = 0; i < 5; i++) in[i] = rg_input(&suite, names[i]);
        {
            const long n = in[0].shape[0] * in[0].shape[1] * in[1].shape[1] * in[1].shape[2];
            const long sizes[OUTPUTS] = {n, in[0].n, in[1].n, n, in[0].n, in[1].n};
            check_allocate(&tally, sizes, results);
        }
        {
            const Given given = {in[0].values, in[1].values, in[2].values, in[3].values, in[4].values};
            const Results out = {results[0], results[1], results[2], results[3], results[4], results[5]};
            grid_sample(given, in[0].shape, in[1].shape[1] * in[1].shape[2], options, out);
        }
        for (i = 0; i < OUTPUTS; i++)
            check_grade(&suite, &tally, i, i == 0 || options.mode == NEAREST ? "even" : "right", results[i]);
        for (i = 0; i < 5; i++) rg_free(&in[i]);
    }
    return check_end(&suite, &tally, argv[1]);
}
