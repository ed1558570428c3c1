/* What the checks of operations share: opening the suite, counting the grades of outputs, and telling them. */

#ifndef CHECK_H
#define CHECK_H

#include "refwarp_golden.h"

#ifndef REAL
#define REAL double
#endif
#ifdef DEFECT
enum { FORGETFUL = 1 };
#else
enum { FORGETFUL = 0 };
#endif
typedef REAL real;

enum { TYPE = sizeof(real) == 4 ? RG_FLOAT : RG_DOUBLE, MOST_OUTPUTS = 6 };

/* The outputs of an operation, and how many of each got which grade. */
typedef struct {
    int outputs;
    const char *const *paths;
    long counts[MOST_OUTPUTS][3], wrong, checked;
} Tally;

/* Returns 0, or 2 after it has said what is needed. */
static int check_open(rg_suite *suite, int argc, char **argv)
{
    if (argc == 2 && !rg_open(suite, argv[1])) return 0;
    fprintf(stderr, "usage: %s FILE, which `refwarp golden export` wrote in format version %d\n", argv[0], RG_VERSION);
    return 2;
}

static void check_allocate(const Tally *tally, const long *sizes, real **results)
{
    int i;
    for (i = 0; i < tally->outputs; i++) results[i] = (real *)calloc((size_t)sizes[i] + 1, sizeof(real));
}

/* Grades one output of a case, and frees it. */
static void check_grade(rg_suite *suite, Tally *tally, int output, const char *convention, real *result)
{
    const rg_verdict found = rg_grade(suite, tally->paths[output], convention, result, TYPE);
    if (found.grade != RG_ABSENT) {
        tally->counts[output][found.grade]++, tally->checked++;
        if (found.grade == RG_WRONG) {
            const char *name;
            int length = rg_name(suite, &name);
            tally->wrong++;
            printf("wrong: %.*s, %s, at %ld %.9g instead of %.9g\n", length, name, tally->paths[output], found.at,
                   (double)result[found.at], found.expected);
        }
    }
    free(result);
}

/* Closes the suite, prints the counts, and returns the program's exit code. */
static int check_end(rg_suite *suite, const Tally *tally, const char *file)
{
    int i;
    if (rg_close(suite)) {
        fprintf(stderr, "%s is truncated\n", file);
        return 2;
    }
    printf("%-20s%10s%10s%10s\n", "", "faithful", "working", "wrong");
    for (i = 0; i < tally->outputs; i++)
        printf("%-20s%10ld%10ld%10ld\n", tally->paths[i], tally->counts[i][0], tally->counts[i][1], tally->counts[i][2]);
    return tally->wrong > 0 || tally->checked == 0;
}

#endif
