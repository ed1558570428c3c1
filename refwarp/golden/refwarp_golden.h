/* refwarp_golden.h: the golden suite of refwarp in C and C++, in one file to copy.

   It reads what `refwarp golden export --out suite.json` writes, case by case, and grades results. Nothing but the C
   library is needed (-lm); C99, or C++11. docs/c.md has an example.

       rg_suite suite;
       if (rg_open(&suite, "suite.json")) return 2;
       while (rg_next(&suite) == 1) {
           if (!rg_is(&suite, "operation", "grid_sample") || !rg_asked(&suite, RG_FLOAT)) continue;
           rg_array input = rg_input(&suite, "input"), grid = rg_input(&suite, "grid");
           ... compute `float output[]` ...
           rg_verdict found = rg_grade(&suite, "forward/output", NULL, output, RG_FLOAT);
           rg_free(&input), rg_free(&grid);
       }
       if (rg_close(&suite)) return 2;      the file was damaged

   MIT License. Copyright (c) The refwarp developers.

   Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
   documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
   rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
   persons to whom the Software is furnished to do so, subject to the following conditions:

   The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
   Software.

   THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
   WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
   COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
   OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE. */

#ifndef REFWARP_GOLDEN_H
#define REFWARP_GOLDEN_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define RG_FUNCTION static __attribute__((unused))
#else
#define RG_FUNCTION static
#endif

/* The version of the format that is read. */
#define RG_VERSION 1
#define RG_MOST_AXES 8

/* What results are in, and computed in. */
enum { RG_FLOAT, RG_DOUBLE };

/* Grades, the larger the worse. RG_ABSENT: the case has no such output. */
enum { RG_ABSENT = -1, RG_FAITHFUL, RG_WORKING, RG_WRONG };

/* An open suite, and the case that was read last: one line of the file. */
typedef struct {
    FILE *file;
    char *line;
    size_t capacity;
    long expected, read;
    int complete;
} rg_suite;

/* An array of n numbers in row-major order; `values` is NULL if there is none. */
typedef struct {
    int axes;
    long shape[RG_MOST_AXES], n;
    double *values;
} rg_array;

/* The grade of the worst element; the first that has it, and what it should be (by one of the conventions). */
typedef struct {
    int grade;
    long at;
    double expected;
} rg_verdict;

/* ---- JSON: a value begins at a pointer, and ends where `rg_skip` says ---- */

RG_FUNCTION const char *rg_skip(const char *value)
{
    long depth = 0;
    do {
        if (*value == '"')
            for (value++; *value && *value != '"'; value++) value += *value == '\\' && value[1];
        else if (*value == '{' || *value == '[')
            depth++;
        else if (*value == '}' || *value == ']')
            depth--;
        if (!*value) return value;
        value++;
    } while (depth > 0 || (*value && !strchr(",:}]\n", *value)));
    return value;
}

/* The next member of an object: its key (in quotes) and value. Start with the object's '{'; 0 at the end. */
RG_FUNCTION int rg_member_at(const char **place, const char **key, const char **value)
{
    if (**place != '{' && **place != ',') return 0;
    *key = *place + 1;
    if (**key != '"') return 0;
    *value = rg_skip(*key);
    if (**value != ':') return 0;
    *place = rg_skip(++*value);
    return 1;
}

/* Whether a text in quotes, or another value, is `text`. */
RG_FUNCTION int rg_text_is(const char *value, const char *text)
{
    size_t length = strlen(text);
    if (*value == '"') return strncmp(value + 1, text, length) == 0 && value[1 + length] == '"';
    return strncmp(value, text, length) == 0 && value + length == rg_skip(value);
}

/* The value of a member, or NULL. */
RG_FUNCTION const char *rg_member(const char *object, const char *name)
{
    const char *key, *value;
    while (object && rg_member_at(&object, &key, &value))
        if (rg_text_is(key, name)) return value;
    return NULL;
}

/* Integers of a list; returns how many. */
RG_FUNCTION int rg_integers(const char *list, long *found, int most)
{
    int n = 0;
    while (list && *list && *list != ']' && list[1] != ']' && n < most) {
        char *end;
        found[n++] = strtol(list + 1, &end, 10);
        list = end;
    }
    return n;
}

/* The numbers of a string that is the member `name` of a stored array, which gives the shape. */
RG_FUNCTION rg_array rg_numbers(const char *stored, const char *name)
{
    rg_array found = {0, {0}, 0, NULL};
    const char *text = rg_member(stored, name);
    long i;
    if (!text || *text != '"') return found;
    found.axes = rg_integers(rg_member(stored, "shape"), found.shape, RG_MOST_AXES);
    for (found.n = 1, i = 0; i < found.axes; i++) found.n *= found.shape[i];
    found.values = (double *)malloc((size_t)(found.n + 1) * sizeof(double));
    for (text++, i = 0; found.values && i < found.n; i++) {
        char *end;
        found.values[i] = strtod(text, &end);
        text = end;
    }
    return found;
}

/* ---- the file ---- */

/* Read a line into suite->line; 0 at the end of the file. */
RG_FUNCTION int rg_line(rg_suite *suite)
{
    size_t length = 0;
    for (;;) {
        if (suite->capacity - length < 4096) {
            char *larger = (char *)realloc(suite->line, suite->capacity = 2 * suite->capacity + 65536);
            if (!larger) return 0;
            suite->line = larger;
        }
        if (!fgets(suite->line + length, (int)(suite->capacity - length > 1048576 ? 1048576 : suite->capacity - length),
                   suite->file))
            return length > 0;
        length += strlen(suite->line + length);
        if (length && suite->line[length - 1] == '\n') return 1;
    }
}

/* Open a suite; 0, or -1 if there is none of this version. */
RG_FUNCTION int rg_open(rg_suite *suite, const char *name)
{
    char start[64];
    memset(suite, 0, sizeof *suite);
    sprintf(start, "{\"format\":\"refwarp golden\",\"version\":%d,", RG_VERSION);
    suite->file = fopen(name, "rb");
    if (suite->file && rg_line(suite) && !strncmp(suite->line, start, strlen(start))) {
        const char *count = rg_member(suite->line, "count");
        suite->expected = count ? strtol(count, NULL, 10) : -1;
        return 0;
    }
    if (suite->file) fclose(suite->file);
    free(suite->line);
    memset(suite, 0, sizeof *suite);
    return -1;
}

/* Read the next case: 1, or 0 if there is no more. */
RG_FUNCTION int rg_next(rg_suite *suite)
{
    size_t length;
    if (!suite->file || suite->complete || !rg_line(suite)) return 0;
    suite->complete = suite->line[0] == ']';
    length = strcspn(suite->line, "\r\n");
    if (suite->complete || suite->line[0] != '{' || !suite->line[length]) return 0; /* the end, or half a line */
    suite->read++;
    return 1;
}

/* Close a suite; 0, or -1 if it was not read to its end, or is truncated. */
RG_FUNCTION int rg_close(rg_suite *suite)
{
    int whole = suite->complete && suite->read == suite->expected;
    if (suite->file) fclose(suite->file);
    free(suite->line);
    memset(suite, 0, sizeof *suite);
    return whole ? 0 : -1;
}

/* ---- a case ---- */

/* Whether "name", "operation", "dtype" or "result" is a text. */
RG_FUNCTION int rg_is(const rg_suite *suite, const char *member, const char *text)
{
    const char *value = rg_member(suite->line, member);
    return value && rg_text_is(value, text);
}

/* The name of the case, for messages: printf("%.*s", rg_name(&suite, &name), name). Returns its length. */
RG_FUNCTION int rg_name(const rg_suite *suite, const char **name)
{
    const char *value = rg_member(suite->line, "name");
    *name = value ? value + 1 : "";
    return value ? (int)(rg_skip(value) - *name) - 1 : 0;
}

/* Whether an option is a text, a number as the file has it, true or false. */
RG_FUNCTION int rg_option_is(const rg_suite *suite, const char *option, const char *text)
{
    const char *value = rg_member(rg_member(suite->line, "options"), option);
    return value && rg_text_is(value, text);
}

/* Integers of an option (size); returns how many. */
RG_FUNCTION int rg_option_integers(const rg_suite *suite, const char *option, long *found, int most)
{
    return rg_integers(rg_member(rg_member(suite->line, "options"), option), found, most);
}

/* Whether the case has a flag. */
RG_FUNCTION int rg_has_flag(const rg_suite *suite, const char *flag)
{
    const char *list = rg_member(suite->line, "flags");
    while (list && (*list == '[' || *list == ',') && list[1] == '"') {
        if (rg_text_is(list + 1, flag)) return 1;
        list = rg_skip(list + 1);
    }
    return 0;
}

/* An argument or a cotangent; to be freed. */
RG_FUNCTION rg_array rg_input(const rg_suite *suite, const char *name)
{
    return rg_numbers(rg_member(rg_member(suite->line, "inputs"), name), "values");
}

RG_FUNCTION void rg_free(rg_array *array)
{
    free(array->values);
    array->values = NULL;
}

/* Whether a type holds all inputs of the case exactly, and what it computes is within its range. */
RG_FUNCTION int rg_asked(const rg_suite *suite, int type)
{
    const char *outputs = rg_member(suite->line, "outputs"), *key, *stored;
    const double largest = type == RG_FLOAT ? ldexp(1 - ldexp(1, -24), 128) : HUGE_VAL;
    int within = type == RG_DOUBLE || !rg_is(suite, "dtype", "float64");
    while (within && outputs && rg_member_at(&outputs, &key, &stored)) {
        rg_array M = rg_numbers(stored, "M");
        long i;
        for (i = 0; i < M.n && M.values; i++) within = within && M.values[i] <= largest;
        rg_free(&M);
    }
    return within;
}

/* ---- grading, as docs/golden-grades.md derives it ---- */

/* Grade elements by one answer into `grades`, unless they have a better grade. */
RG_FUNCTION void rg_grade_by(const char *stored, const char *seams, const void *result, int type, char *grades,
                             double *expected)
{
    static const char *const members[] = {"value", "remainder", "k", "M", "G", "low", "high", "distance"};
    const double u = ldexp(1, type == RG_FLOAT ? -24 : -53), e = 6 * u, eta = ldexp(1, type == RG_FLOAT ? -149 : -1074);
    const char *text = rg_member(stored, "c");
    const double c = text ? strtod(text + 1, NULL) : 0;
    rg_array read[8];
    long i;
    int m;
    long n;
    for (m = 0; m < 8; m++) read[m] = rg_numbers(m < 5 ? stored : seams, members[m]);
    n = read[0].n;
    for (m = 0; m < (seams ? 8 : 5); m++)
        if (!read[m].values || read[m].n != n) n = 0; /* damaged: nothing is right */
    for (i = 0; i < n; i++) {
        const double value = read[0].values[i], k = read[2].values[i], M = read[3].values[i];
        const double given = type == RG_FLOAT ? (double)((const float *)result)[i] : ((const double *)result)[i];
        const double error = fabs(given - value - read[1].values[i]);
        double outside = error;
        int grade = RG_WRONG;
        if (seams && read[7].values[i] <= e)
            outside = fmin(error, fmax(0, fmax(read[5].values[i] - given, given - read[6].values[i])));
        if (error <= (c + log2(fmax(k, 1))) * u * M + k * eta)
            grade = RG_FAITHFUL;
        else if (outside <= (c + k) * u * M + e * read[4].values[i] + k * eta)
            grade = RG_WORKING;
        if (given - given != 0 || value - value != 0) /* one of them is NaN or infinite: both must be, alike */
            grade = given == value || (value != value && given != given) ? RG_FAITHFUL : RG_WRONG;
        if (grade < grades[i] || expected[i] != expected[i]) expected[i] = value;
        if (grade < grades[i]) grades[i] = (char)grade;
    }
    for (m = 0; m < 8; m++) rg_free(&read[m]);
}

/* Grade an output, as "vjp/ggrid": `result` has its elements in row-major order, of the type.

   Where conventions differ ("kink", "ties"), `convention` is the one that was followed, as "right"; NULL: any. */
RG_FUNCTION rg_verdict rg_grade(const rg_suite *suite, const char *path, const char *convention, const void *result,
                                int type)
{
    const char *outputs = rg_member(suite->line, "outputs"), *seams = rg_member(suite->line, "seams"), *key, *stored;
    const size_t length = strlen(path);
    rg_verdict found = {RG_ABSENT, -1, 0};
    char *grades = NULL;
    double *expected = NULL;
    long n = 0, i;
    seams = rg_member(seams, path);
    while (outputs && rg_member_at(&outputs, &key, &stored)) {
        const char *named = key + 1 + length;
        if (strncmp(key + 1, path, length) != 0 || (*named != '"' && *named != ':')) continue;
        if (*named == ':' && convention
            && (strncmp(named + 1, convention, strlen(convention)) != 0 || named[1 + strlen(convention)] != '"'))
            continue;
        if (!grades) {
            rg_array value = rg_numbers(stored, "value");
            n = value.n;
            rg_free(&value);
            grades = (char *)malloc((size_t)n + 1);
            expected = (double *)malloc((size_t)(n + 1) * sizeof(double));
            if (!grades || !expected) break;
            memset(grades, RG_WRONG, (size_t)n + 1);
            for (i = 0; i < n; i++) expected[i] = NAN;
        }
        rg_grade_by(stored, seams, result, type, grades, expected);
    }
    if (grades && expected) found.grade = RG_FAITHFUL;
    for (i = 0; i < n && found.grade != RG_ABSENT; i++)
        if (grades[i] > found.grade || (i == 0 && n)) {
            found.grade = grades[i];
            found.at = i;
            found.expected = expected[i];
        }
    free(grades);
    free(expected);
    return found;
}

#endif
