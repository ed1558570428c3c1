/* Checks a bilinear sampler in C against the golden suite, from docs/golden-format.md alone: the proof that the suite
   can be used from any language.

       refwarp golden export --out suite.json
       cc -std=c99 -O2 -ffp-contract=off -DREAL=float check_bilinear.c -o check_bilinear -lm
       ./check_bilinear suite.json

   -DREAL      what the sampler computes in: float, or double (the default)
   -DCAREFUL   measure coordinates from the centre of the map, so that they keep their digits: the result is faithful.
               Without it they are computed as they are written in books, which is good to working precision
   -DDEFECT    forget the next pixel of a row where its weight is 0: values stay right, slopes on pixels do not

   Prints how many outputs got which grade. Exit code 0, 1 (one is wrong, or none was checked) or 2 (no whole file). */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef REAL
#define REAL double
#endif
#ifdef DEFECT
enum { FORGETFUL = 1 };
#else
enum { FORGETFUL = 0 };
#endif
typedef REAL real;

/* ---- reading: a case is a line, a key the characters "key": in it, the numbers of an array one string ---- */

typedef struct { long n; double *values; } Numbers;

/* What follows a key, the first one after `text`; NULL if there is none. */
static char *after(char *text, const char *key)
{
    char quoted[80];
    sprintf(quoted, "\"%.70s\":", key);
    text = text ? strstr(text, quoted) : NULL;
    return text ? text + strlen(quoted) : NULL;
}

/* The n numbers of a string in quotes. */
static Numbers numbers(char *text, long n)
{
    Numbers found = {n, malloc((n + 1) * sizeof(double))};
    for (text++; n-- > 0;) found.values[found.n - n - 1] = strtod(text, &text);
    return found;
}

/* The shape of up to 4 axes that follows; returns the number of elements. */
static long read_shape(char *text, long shape[4])
{
    long n = 1, axis = 0;
    for (text = after(text, "shape"); *text != ']' && axis < 4; axis++) n *= shape[axis] = strtol(text + 1, &text, 10);
    return n;
}

static Numbers input(char *line, const char *name, long shape[4])
{
    char *found = after(after(line, "inputs"), name);
    long n = read_shape(found, shape);
    return numbers(after(found, "values"), n);
}

/* A whole file as one string, or NULL. */
static char *read_file(const char *name)
{
    FILE *file = fopen(name, "rb");
    char *text = NULL;
    if (file && fseek(file, 0, SEEK_END) == 0) {
        long size = ftell(file);
        rewind(file);
        text = calloc(size + 1, 1);
        if (text && fread(text, 1, size, file) != (size_t)size) text[0] = 0;
    }
    if (file) fclose(file);
    return text;
}

/* ---- the sampler under test ---- */

/* Where a coordinate lies on an axis: the pixel to its left, and the weights of that and of the next. */
typedef struct { long n; real h, f; } Cell;

static Cell locate(real g, long size, int corners)
{
    Cell cell = {-2, 1, 0}; /* out of reach: neither pixel exists */
#ifdef CAREFUL
    double s = corners ? size - 1 : size, t = g * s, rest, edge;
    long odd = (size - 1) % 2;
    if (!(fabs(t) <= size + 1)) return cell;
    rest = fma(g, s, -t);
    edge = 2 * floor((t + odd) / 2) - odd;
    if (t - edge + rest < 0) edge -= 2; /* t was rounded up to the edge */
    cell.n = (long)((size - 1 + edge) / 2);
    cell.f = (real)((t - edge + rest) / 2);
    cell.h = (real)((edge + 2 - t - rest) / 2);
#else
    real x = corners ? (g + 1) / 2 * (size - 1) : ((g + 1) * size - 1) / 2;
    if (!(x > -2 && x < size + 1)) return cell;
    cell.n = (long)floor(x);
    cell.f = x - (real)floor(x);
    cell.h = 1 - cell.f;
#endif
    return cell;
}

/* output, and the gradients ginput and ggrid of sum(gout * output), which start at 0. Zeros padding. */
static void grid_sample(const Numbers *in, const Numbers *grid, const Numbers *gout, const long shape[4], long points,
                        int corners, real *output, real *ginput, real *ggrid)
{
    long N = shape[0], C = shape[1], H = shape[2], W = shape[3], b, c, p, i, j;
    for (b = 0; b < N; b++) for (p = 0; p < points; p++) {
        real gx = (real)grid->values[(b * points + p) * 2], gy = (real)grid->values[(b * points + p) * 2 + 1];
        real *slope = ggrid + (b * points + p) * 2, none = gx != gx || gy != gy ? gx + gy : 0;
        Cell x = locate(gx, W, corners), y = locate(gy, H, corners);
        real wx[2] = {x.h, x.f}, wy[2] = {y.h, y.f};
        slope[0] = slope[1] = none;
        for (c = 0; c < C; c++) {
            long plane = (b * C + c) * H * W, o = (b * C + c) * points + p;
            real value = 0, along_x = 0, along_y = 0, g = (real)gout->values[o];
            for (j = 0; j < 2; j++) for (i = 0; i < 2; i++) {
                long n = y.n + j, m = x.n + i, at = plane + n * W + m;
                if (n < 0 || n >= H || m < 0 || m >= W || none != none || (FORGETFUL && i && x.f == 0)) continue;
                value += (real)in->values[at] * (wx[i] * wy[j]);
                along_x += (real)in->values[at] * (i ? wy[j] : -wy[j]);
                along_y += (real)in->values[at] * (j ? wx[i] : -wx[i]);
                ginput[at] += g * (wx[i] * wy[j]);
            }
            output[o] = value + none;
            slope[0] += g * along_x * ((real)(corners ? W - 1 : W) / 2);
            slope[1] += g * along_y * ((real)(corners ? H - 1 : H) / 2);
        }
    }
}

/* ---- grading ---- */

enum { FAITHFUL, WORKING, WRONG };

/* The grade of an output: that of its worst element. The convention at kinks is "right", what floor gives. */
static int grade(char *line, const char *path, const real *result)
{
    const double u = sizeof(real) == 4 ? ldexp(1, -24) : ldexp(1, -53), e = 6 * u;
    const double eta = sizeof(real) == 4 ? ldexp(1, -149) : ldexp(1, -1074);
    const char *members[] = {"value", "remainder", "k", "M", "G", "low", "high", "distance"};
    char right[80], *found, *seams = after(after(line, "seams"), path);
    Numbers read[8];
    long shape[4], n, i;
    int worst = FAITHFUL;
    double c;
    sprintf(right, "%.60s:right", path);
    found = after(after(line, "outputs"), right);
    if (!found) found = after(after(line, "outputs"), path);
    n = read_shape(found, shape);
    c = strtod(after(found, "c") + 1, NULL);
    for (i = 0; i < 8; i++) {
        char *from = i < 5 ? found : seams;
        read[i] = from ? numbers(after(from, members[i]), n) : (Numbers){0, NULL};
    }
    for (i = 0; i < n; i++) {
        double value = read[0].values[i], k = read[2].values[i], M = read[3].values[i], given = result[i];
        double error = fabs(given - value - read[1].values[i]), outside = error;
        int this = WRONG;
        if (seams && read[7].values[i] <= e)
            outside = fmin(error, fmax(0, fmax(read[5].values[i] - given, given - read[6].values[i])));
        if (error <= (c + log2(fmax(k, 1))) * u * M + k * eta) this = FAITHFUL;
        else if (outside <= (c + k) * u * M + e * read[4].values[i] + k * eta) this = WORKING;
        if (given - given != 0 || value - value != 0) /* one of them is NaN or infinite: both must be, alike */
            this = given == value || (value != value && given != given) ? FAITHFUL : WRONG;
        if (this > worst) worst = this;
    }
    for (i = 0; i < 8; i++) free(read[i].values);
    return worst;
}

int main(int argc, char **argv)
{
    const char *paths[] = {"forward/output", "vjp/ginput", "vjp/ggrid"};
    long counts[3][3] = {{0}}, wrong = 0, checked = 0, lines = 0, expected, complete = 0;
    char *text = argc == 2 ? read_file(argv[1]) : NULL, *line = text ? strtok(text, "\n") : NULL;
    if (!line || !strstr(line, "\"format\":\"refwarp golden\",\"version\":1,")) {
        fprintf(stderr, "usage: %s FILE, which `refwarp golden export` wrote in format version 1\n", argv[0]);
        return 2;
    }
    expected = strtol(after(line, "count"), NULL, 10);
    while ((line = strtok(NULL, "\n")) && !(complete = line[0] == ']')) {
        lines++;
        if (!strstr(line, "\"operation\":\"grid_sample\"") || !strstr(line, "\"mode\":\"bilinear\"")
            || !strstr(line, "\"padding_mode\":\"zeros\"") || strstr(line, "\"result\":\"invalid\"")
            || (sizeof(real) == 4 && strstr(line, "\"dtype\":\"float64\""))) continue;
        long shape[4], grid_shape[4], gout_shape[4], i;
        Numbers in = input(line, "input", shape), grid = input(line, "grid", grid_shape);
        Numbers gout = input(line, "gout", gout_shape);
        real *results[3];
        for (i = 0; i < 3; i++) results[i] = calloc((i ? (i == 1 ? in.n : grid.n) : gout.n) + 1, sizeof(real));
        grid_sample(&in, &grid, &gout, shape, grid_shape[1] * grid_shape[2],
                    strstr(line, "\"align_corners\":true") != NULL, results[0], results[1], results[2]);
        for (i = 0; i < 3; i++) {
            int found = grade(line, paths[i], results[i]);
            counts[i][found]++, checked++;
            wrong += found == WRONG;
            if (found == WRONG) printf("wrong: %.*s, %s\n", (int)strcspn(line + 9, "\""), line + 9, paths[i]);
            free(results[i]);
        }
        free(in.values), free(grid.values), free(gout.values);
    }
    free(text);
    if (!complete || lines != expected) {
        fprintf(stderr, "%s is truncated\n", argv[1]);
        return 2;
    }
    printf("%-16s%10s%10s%10s\n", "", "faithful", "working", "wrong");
    for (int i = 0; i < 3; i++)
        printf("%-16s%10ld%10ld%10ld\n", paths[i], counts[i][0], counts[i][1], counts[i][2]);
    return wrong > 0 || checked == 0;
}
