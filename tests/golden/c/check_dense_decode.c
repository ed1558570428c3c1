/* Checks dense_decode in C against the golden suite: values and first derivatives of the paper's decoder, all fillings.

       refwarp golden export --out suite.json
       cc -std=c99 -O2 -ffp-contract=off -I refwarp/golden -DREAL=float tests/golden/c/check_dense_decode.c -lm

   -DREAL      what the decoder gets and returns: float, or double (the default); it computes in long double
   -DDEFECT    leave out the sources whose weight at a pixel is 0: values stay right, slopes on the lattice do not

   Kinks are right. Prints how many outputs got which grade. Exit code 0, 1 (one is wrong, or none was checked) or 2 (no
   whole file). It is C and C++. */

#include "check.h"

typedef long double wide;

typedef enum { WITH_ZEROS, WITH_PREVIOUS, WITH_NEIGHBOURS } Fill;

/* Along an axis, the pixel to the left of a source, and the weights of that and the next; their slopes are -1 and 1. */
typedef struct { long n; wide weights[2]; } Cell;

/* Measured from the centre of the map: a tiny weight decides whether a pixel is a hole. */
static Cell locate(wide g, long size, int corners)
{
    Cell cell = {-3, {0, 0}}; /* out of reach: neither pixel exists */
    const wide s = corners ? size - 1 : size, t = g * s, odd = (size - 1) % 2;
    wide rest, edge;
    if (!(t <= size + 1 && t >= -(size + 1))) return cell;
    rest = fmal(g, s, -t);
    edge = 2 * floorl((t + odd) / 2) - odd;
    if (t - edge + rest < 0) edge -= 2; /* t was rounded up to the edge */
    cell.n = (long)((size - 1 + edge) / 2);
    cell.weights[1] = (t - edge + rest) / 2;
    cell.weights[0] = (edge + 2 - t - rest) / 2;
    return cell;
}

/* The shapes (N, C, H', W') of the values and (H, W) of the map. */
typedef struct { long N, C, sources, H, W; int corners; Fill fill; } Problem;
typedef struct { const double *values, *grid, *previous, *gout; } Given;
typedef struct { real *output, *gvalues, *ggrid, *gprevious; } Results;

/* The mean of the previous map's pixels around a hole; g, its gradient, is added to those of the pixels. */
static wide around(const Problem *p, long n, long m, const double *plane, real *gradient, wide g)
{
    const long top = n > 0 ? n - 1 : 0, bottom = n < p->H - 1 ? n + 1 : n;
    const long left = m > 0 ? m - 1 : 0, right = m < p->W - 1 ? m + 1 : m;
    const long count = (bottom - top + 1) * (right - left + 1) - 1;
    wide sum = 0;
    long i, j;
    for (j = top; j <= bottom; j++) for (i = left; i <= right; i++)
        if (j != n || i != m) sum += plane[j * p->W + i], gradient[j * p->W + i] += (real)(g / count);
    return count ? sum / count : 0;
}

/* The pixel that a source reaches by corner 0 to 3 of its cell, or -1; its weights and slopes in pixels. */
static long reached(const Problem *p, const Cell *cells, long i, int corner, wide *weight, wide slopes[2])
{
    const int k = corner % 2, l = corner / 2;
    const Cell x = cells[2 * i], y = cells[2 * i + 1];
    const long n = y.n + l, m = x.n + k;
    *weight = x.weights[k] * y.weights[l];
    slopes[0] = (k ? 1 : -1) * y.weights[l];
    slopes[1] = (l ? 1 : -1) * x.weights[k];
    if (n < 0 || n >= p->H || m < 0 || m >= p->W || (FORGETFUL && *weight == 0)) return -1;
    return n * p->W + m;
}

/* Decode a channel of an image, given the sums of weights: the map, not rounded, and the gradient of previous. */
static void decode_plane(const Problem *p, const Cell *cells, const wide *sums, Given in, wide *map, real *gprevious)
{
    const long pixels = p->H * p->W;
    long i, at;
    int corner;
    wide weight, slopes[2];
    for (at = 0; at < pixels; at++) map[at] = 0;
    for (i = 0; i < p->sources; i++) for (corner = 0; corner < 4; corner++) {
        at = reached(p, cells, i, corner, &weight, slopes);
        if (at >= 0 && weight != 0) map[at] += in.values[i] * weight;
    }
    for (at = 0; at < pixels; at++) {
        const wide g = in.gout ? in.gout[at] : 0;
        if (sums[at] != 0) {
            map[at] /= sums[at];
        } else if (p->fill == WITH_PREVIOUS) {
            map[at] = in.previous[at];
            gprevious[at] += (real)g;
        } else if (p->fill == WITH_NEIGHBOURS) {
            map[at] = around(p, at / p->W, at % p->W, in.previous, gprevious, g);
        }
    }
}

/* Decode: the map, and the gradients of sum(gout * map). */
static void dense_decode(const Problem *p, Given in, Results out)
{
    const long pixels = p->H * p->W;
    wide *sums = (wide *)calloc((size_t)pixels + 1, sizeof(wide)), *map = (wide *)calloc((size_t)pixels + 1, sizeof(wide));
    wide *ggrid = (wide *)calloc((size_t)(2 * p->sources) + 1, sizeof(wide)), weight, slopes[2];
    Cell *cells = (Cell *)calloc((size_t)(2 * p->sources) + 1, sizeof(Cell));
    long b, c, i, at;
    int corner, axis;
    for (b = 0; b < p->N; b++) {
        const double *points = in.grid + b * p->sources * 2;
        for (i = 0; i < p->sources; i++) {
            const double gx = points[2 * i], gy = points[2 * i + 1];
            const int nowhere = gx - gx != 0 || gy - gy != 0; /* a source at NaN or infinity has no position */
            cells[2 * i] = locate(nowhere ? HUGE_VAL : gx, p->W, p->corners);
            cells[2 * i + 1] = locate(nowhere ? HUGE_VAL : gy, p->H, p->corners);
            ggrid[2 * i] = ggrid[2 * i + 1] = nowhere && (gx != gx || gy != gy) ? NAN : 0;
        }
        for (at = 0; at < pixels; at++) sums[at] = 0;
        for (i = 0; i < p->sources; i++) for (corner = 0; corner < 4; corner++)
            if ((at = reached(p, cells, i, corner, &weight, slopes)) >= 0) sums[at] += weight;
        for (c = 0; c < p->C; c++) {
            const long plane = (b * p->C + c) * pixels, source = (b * p->C + c) * p->sources;
            const Given of_plane = {in.values + source, points, in.previous ? in.previous + plane : NULL,
                                    in.gout ? in.gout + plane : NULL};
            decode_plane(p, cells, sums, of_plane, map, out.gprevious + plane);
            for (at = 0; at < pixels; at++) out.output[plane + at] = (real)map[at];
            for (i = 0; i < p->sources && in.gout; i++) {
                wide gvalue = 0;
                for (corner = 0; corner < 4; corner++) {
                    wide share;
                    at = reached(p, cells, i, corner, &weight, slopes);
                    if (at < 0 || sums[at] == 0) continue; /* no pixel, or a hole */
                    share = of_plane.gout[at] / sums[at];
                    if (weight != 0) gvalue += share * weight;
                    for (axis = 0; axis < 2; axis++)
                        if (slopes[axis] != 0) ggrid[2 * i + axis] += share * (of_plane.values[i] - map[at]) * slopes[axis];
                }
                out.gvalues[source + i] = (real)gvalue;
            }
        }
        for (i = 0; i < p->sources; i++) {
            out.ggrid[2 * (b * p->sources + i)] = (real)(ggrid[2 * i] * (p->W - p->corners) / 2);
            out.ggrid[2 * (b * p->sources + i) + 1] = (real)(ggrid[2 * i + 1] * (p->H - p->corners) / 2);
        }
    }
    free(sums), free(map), free(ggrid), free(cells);
}

/* ---- the check ---- */

#define OUTPUTS 4
static const char *const PATHS[OUTPUTS] = {"forward/output", "vjp/gvalues", "vjp/ggrid", "vjp/gprevious"};

int main(int argc, char **argv)
{
    Tally tally = {OUTPUTS, PATHS, {{0}}, 0, 0};
    rg_suite suite;
    int i;
    if (check_open(&suite, argc, argv)) return 2;
    while (rg_next(&suite)) {
        static const char *const names[4] = {"values", "grid", "previous", "gout"};
        rg_array in[4];
        real *results[OUTPUTS];
        Problem problem;
        long size[4];
        if (!rg_is(&suite, "operation", "dense_decode") || rg_is(&suite, "result", "invalid") || !rg_asked(&suite, TYPE)
            || !rg_option_is(&suite, "variant", "paper") || rg_option_integers(&suite, "size", size, 4) != 4)
            continue;
        for (i = 0; i < 4; i++) in[i] = rg_input(&suite, names[i]);
        problem.N = size[0], problem.C = size[1], problem.H = size[2], problem.W = size[3];
        problem.sources = in[0].shape[2] * in[0].shape[3];
        problem.corners = rg_option_is(&suite, "align_corners", "true");
        problem.fill = rg_option_is(&suite, "fill", "previous")     ? WITH_PREVIOUS
                       : rg_option_is(&suite, "fill", "neighbours") ? WITH_NEIGHBOURS
                                                                    : WITH_ZEROS;
        {
            const long n = size[0] * size[1] * size[2] * size[3], sizes[OUTPUTS] = {n, in[0].n, in[1].n, n};
            const Given given = {in[0].values, in[1].values, in[2].values, in[3].values};
            check_allocate(&tally, sizes, results);
            {
                const Results out = {results[0], results[1], results[2], results[3]};
                dense_decode(&problem, given, out);
            }
        }
        for (i = 0; i < OUTPUTS; i++) check_grade(&suite, &tally, i, "right", results[i]);
        for (i = 0; i < 4; i++) rg_free(&in[i]);
    }
    return check_end(&suite, &tally, argv[1]);
}
