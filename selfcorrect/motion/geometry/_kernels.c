/* Products of rotations and vectors, forward kinematics, control of simulations, banded systems, and rows of text.
 *
 * `compiled.py` states what each function saves. A function does the sums of its counterpart in NumPy, in the same order,
 * so that both give the same bits; only banded systems, which LAPACK solves in blocks, differ in the last digits. Build
 * without fused multiply-add (-ffp-contract=off). Arrays come through the buffer protocol: double precision,
 * "C-contiguous" unless a comment says otherwise. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__gnu_linux__) && defined(__GLIBC__)
#define WIDE __attribute__((target_clones("avx2", "default"))) /* the same bits, four numbers at a time where it can */
#else
#define WIDE
#endif

#define MOST_AXES 16
#define MOST_ARRAYS 13
#define LANES 8

/* --- arrays ------------------------------------------------------------------------------------------------------- */

typedef struct {
    Py_buffer views[MOST_ARRAYS];
    int count;
} Arrays;

static void release(Arrays *arrays) {
    while (arrays->count) PyBuffer_Release(&arrays->views[--arrays->count]);
}

static Py_buffer *take(Arrays *arrays, PyObject *object, int flags, char kind, int axes) {
    Py_buffer *view = &arrays->views[arrays->count];
    if (PyObject_GetBuffer(object, view, flags | PyBUF_FORMAT)) return NULL;
    arrays->count++;
    if (view->format == NULL || view->format[0] != kind || view->format[1] || view->ndim > MOST_AXES
        || (axes >= 0 && view->ndim != axes)) {
        PyErr_Format(PyExc_TypeError, "expected an array '%c' of %d axes", kind, axes);
        return NULL;
    }
    return view;
}

#define READ(name, index, axes) \
    Py_buffer *name = take(&arrays, values[index], PyBUF_C_CONTIGUOUS, 'd', axes); \
    if (name == NULL) goto done
#define WRITE(name, index, axes) \
    Py_buffer *name = take(&arrays, values[index], PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, 'd', axes); \
    if (name == NULL) goto done
#define INDICES(name, index) \
    Py_buffer *name = take(&arrays, values[index], PyBUF_C_CONTIGUOUS, 'i', 1); \
    if (name == NULL) goto done
#define REQUIRE(condition, message) \
    if (!(condition)) { PyErr_SetString(PyExc_ValueError, message); goto done; }

static int count_arguments(Py_ssize_t given, Py_ssize_t expected) {
    if (given == expected) return 1;
    PyErr_Format(PyExc_TypeError, "expected %zd arguments, got %zd", expected, given);
    return 0;
}

/* --- products that are broadcast ----------------------------------------------------------------------------------- */

static inline void compose_one(const char *p, Py_ssize_t ps, const char *q, Py_ssize_t qs, double *o) {
    double x = *(const double *)p, y = *(const double *)(p + ps);
    double z = *(const double *)(p + 2 * ps), w = *(const double *)(p + 3 * ps);
    double a = *(const double *)q, b = *(const double *)(q + qs);
    double c = *(const double *)(q + 2 * qs), d = *(const double *)(q + 3 * qs);
    o[0] = w * a + x * d + y * c - z * b;
    o[1] = w * b - x * c + y * d + z * a;
    o[2] = w * c + x * b - y * a + z * d;
    o[3] = w * d - x * a - y * b - z * c;
}

static inline void rotate_one(const char *p, Py_ssize_t ps, const char *v, Py_ssize_t vs, double *o) {
    double x = *(const double *)p, y = *(const double *)(p + ps);
    double z = *(const double *)(p + 2 * ps), w = *(const double *)(p + 3 * ps);
    double a = *(const double *)v, b = *(const double *)(v + vs), c = *(const double *)(v + 2 * vs);
    double tx = 2 * (y * c - z * b), ty = 2 * (z * a - x * c), tz = 2 * (x * b - y * a);
    o[0] = a + w * tx + y * tz - z * ty;
    o[1] = b + w * ty + z * tx - x * tz;
    o[2] = c + w * tz + x * ty - y * tx;
}

static inline void cross_one(const char *p, Py_ssize_t ps, const char *v, Py_ssize_t vs, double *o) {
    double x = *(const double *)p, y = *(const double *)(p + ps), z = *(const double *)(p + 2 * ps);
    double a = *(const double *)v, b = *(const double *)(v + vs), c = *(const double *)(v + 2 * vs);
    o[0] = y * c - z * b;
    o[1] = z * a - x * c;
    o[2] = x * b - y * a;
}

#define ROWS(multiply, width) \
    for (Py_ssize_t i = 0; i < inner; i++, p += first_step, q += second_step, target += width) \
        multiply(p, lasts[0], q, lasts[1], target)

/* Arguments: quaternions or vectors (..., L), quaternions or vectors (..., K), both with any strides, and the result
 * (..., K). */
static PyObject *apply_broadcast(PyObject *const *values, Py_ssize_t given, int first_width, int width) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    if (!count_arguments(given, 3)) return NULL;
    Py_buffer *inputs[2];
    for (int k = 0; k < 2; k++)
        if ((inputs[k] = take(&arrays, values[k], PyBUF_STRIDES, 'd', -1)) == NULL) goto done;
    WRITE(output, 2, -1);
    int axes = output->ndim - 1;
    Py_ssize_t steps[2][MOST_AXES], merged_steps[2][MOST_AXES] = {{0}}, place[MOST_AXES] = {0}, lasts[2];
    REQUIRE(axes >= 0 && output->shape[axes] == width, "the result has another width");
    for (int k = 0; k < 2; k++) {
        int own = inputs[k]->ndim - 1;
        REQUIRE(own >= 0 && own <= axes && inputs[k]->shape[own] == (k ? width : first_width), "an array has another width");
        lasts[k] = inputs[k]->strides[own];
        for (int axis = 0; axis < axes; axis++) {
            int of_own = axis - (axes - own);
            Py_ssize_t length = of_own < 0 ? 1 : inputs[k]->shape[of_own];
            REQUIRE(length == 1 || length == output->shape[axis], "arrays cannot be broadcast against each other");
            steps[k][axis] = length == 1 ? 0 : inputs[k]->strides[of_own];
        }
    }
    /* Neighbouring axes that both inputs pass in even steps are one. */
    Py_ssize_t lengths[MOST_AXES] = {1};
    int merged = 1;
    for (int axis = 0; axis < axes; axis++) {
        Py_ssize_t length = output->shape[axis];
        int last = merged - 1;
        if (merged_steps[0][last] == steps[0][axis] * length && merged_steps[1][last] == steps[1][axis] * length)
            lengths[last] *= length;
        else
            lengths[merged++] = length;
        for (int k = 0; k < 2; k++) merged_steps[k][merged - 1] = steps[k][axis];
    }
    Py_ssize_t total = output->len / (Py_ssize_t)(width * sizeof(double)), inner = lengths[merged - 1];
    const char *first = inputs[0]->buf, *second = inputs[1]->buf;
    Py_ssize_t first_step = merged_steps[0][merged - 1], second_step = merged_steps[1][merged - 1];
    double *target = output->buf;
    for (Py_ssize_t start = 0; start < total; start += inner) {
        const char *p = first, *q = second;
        if (width == 4) ROWS(compose_one, 4);
        else if (first_width == 3) ROWS(cross_one, 3);
        else ROWS(rotate_one, 3);
        for (int axis = merged - 2; axis >= 0; axis--) {
            first += merged_steps[0][axis];
            second += merged_steps[1][axis];
            if (++place[axis] < lengths[axis]) break;
            first -= merged_steps[0][axis] * lengths[axis];
            second -= merged_steps[1][axis] * lengths[axis];
            place[axis] = 0;
        }
    }
    result = Py_NewRef(Py_None);
done:
    release(&arrays);
    return result;
}

#define PRODUCT(name, first_width, width) \
    static PyObject *name(PyObject *module, PyObject *const *values, Py_ssize_t given) { \
        return apply_broadcast(values, given, first_width, width); \
    }
PRODUCT(compose, 4, 4)
PRODUCT(rotate, 4, 3)
PRODUCT(cross, 3, 3)

/* --- forward kinematics -------------------------------------------------------------------------------------------- */

typedef double Lanes[LANES];
#define EACH for (int l = 0; l < LANES; l++)

/* Poses up to LANES frames, a frame in each lane; `frames` are their numbers. */
WIDE static void pose_frames(const Py_ssize_t *frames, Py_ssize_t joints, const double *roots, const double *rotations,
                             const double *offsets, const int *parents, const int *order, Py_ssize_t needed,
                             Lanes (*places)[3], Lanes (*world)[4]) {
    for (Py_ssize_t k = 0; k < needed; k++) {
        int joint = order[k];
        Lanes local[4], length;
        EACH {
            const double *turn = rotations + 4 * (joints * frames[l] + joint);
            for (int i = 0; i < 4; i++) local[i][l] = turn[i];
        }
        EACH length[l] = sqrt((local[0][l] * local[0][l] + local[2][l] * local[2][l])
                              + (local[1][l] * local[1][l] + local[3][l] * local[3][l]));
        for (int i = 0; i < 4; i++) EACH local[i][l] /= length[l];
        if (joint == 0) {
            memcpy(world[0], local, sizeof local);
            for (int axis = 0; axis < 3; axis++) EACH places[0][axis][l] = roots[3 * frames[l] + axis];
            continue;
        }
        const double *x = world[parents[joint]][0], *y = world[parents[joint]][1];
        const double *z = world[parents[joint]][2], *w = world[parents[joint]][3];
        const double *a = local[0], *b = local[1], *c = local[2], *d = local[3];
        Lanes *to = world[joint];
        EACH to[0][l] = w[l] * a[l] + x[l] * d[l] + y[l] * c[l] - z[l] * b[l];
        EACH to[1][l] = w[l] * b[l] - x[l] * c[l] + y[l] * d[l] + z[l] * a[l];
        EACH to[2][l] = w[l] * c[l] + x[l] * b[l] - y[l] * a[l] + z[l] * d[l];
        EACH to[3][l] = w[l] * d[l] - x[l] * a[l] - y[l] * b[l] - z[l] * c[l];
        double u = offsets[3 * joint], v = offsets[3 * joint + 1], s = offsets[3 * joint + 2];
        Lanes *start = places[parents[joint]], *end = places[joint];
        EACH {
            double tx = 2 * (y[l] * s - z[l] * v), ty = 2 * (z[l] * u - x[l] * s), tz = 2 * (x[l] * v - y[l] * u);
            end[0][l] = start[0][l] + (u + w[l] * tx + y[l] * tz - z[l] * ty);
            end[1][l] = start[1][l] + (v + w[l] * ty + z[l] * tx - x[l] * tz);
            end[2][l] = start[2][l] + (s + w[l] * tz + x[l] * ty - y[l] * tx);
        }
    }
}

static void store_lanes(Lanes (*from), int width, Py_ssize_t lane, double *to) {
    for (int k = 0; k < width; k++) to[k] = from[k][lane];
}

/* Arguments: root (T, 3), rotations (T, J, 4), offsets (J, 3); int32 parents (J,), order (M,) of the joints that are
 * needed, parents first, and selected joints (K,); results: positions (T, K, 3), orientations (T, K, 4) or None. */
static PyObject *pose(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    Lanes *memory = NULL;
    if (!count_arguments(given, 8)) return NULL;
    READ(roots, 0, 2);
    READ(rotations, 1, 3);
    READ(offsets, 2, 2);
    INDICES(parents, 3);
    INDICES(order, 4);
    INDICES(selected, 5);
    WRITE(positions, 6, 3);
    Py_buffer *orientations = NULL;
    if (values[7] != Py_None) {
        orientations = take(&arrays, values[7], PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE, 'd', 3);
        if (orientations == NULL) goto done;
    }
    Py_ssize_t frames = rotations->shape[0], joints = rotations->shape[1];
    Py_ssize_t needed = order->shape[0], kept = selected->shape[0];
    REQUIRE(rotations->shape[2] == 4 && roots->shape[0] == frames && roots->shape[1] == 3 && offsets->shape[0] == joints
            && offsets->shape[1] == 3 && parents->shape[0] == joints && positions->shape[0] == frames
            && positions->shape[1] == kept && positions->shape[2] == 3, "shapes of poses differ");
    REQUIRE(orientations == NULL || (orientations->shape[0] == frames && orientations->shape[1] == kept
            && orientations->shape[2] == 4), "shapes of poses differ");
    const int *above = parents->buf, *in_order = order->buf, *chosen = selected->buf;
    for (Py_ssize_t k = 0; k < needed; k++) {
        int joint = in_order[k];
        REQUIRE(joint >= 0 && joint < joints && (joint == 0 || (above[joint] >= 0 && above[joint] < joint)),
                "a joint has no place in the tree");
    }
    for (Py_ssize_t k = 0; k < kept; k++) REQUIRE(chosen[k] >= 0 && chosen[k] < joints, "no such joint");
    memory = PyMem_Calloc(7 * joints + 1, sizeof(Lanes));
    if (memory == NULL) { PyErr_NoMemory(); goto done; }
    Lanes(*world)[4] = (Lanes(*)[4])memory, (*places)[3] = (Lanes(*)[3])(memory + 4 * joints);
    for (Py_ssize_t first = 0; first < frames; first += LANES) {
        Py_ssize_t count = frames - first < LANES ? frames - first : LANES, numbers[LANES];
        EACH numbers[l] = first + (l < count ? l : 0);
        pose_frames(numbers, joints, roots->buf, rotations->buf, offsets->buf, above, in_order, needed, places, world);
        for (Py_ssize_t lane = 0; lane < count; lane++) {
            double *to = (double *)positions->buf + 3 * kept * (first + lane);
            for (Py_ssize_t k = 0; k < kept; k++) store_lanes(places[chosen[k]], 3, lane, to + 3 * k);
            if (orientations == NULL) continue;
            to = (double *)orientations->buf + 4 * kept * (first + lane);
            for (Py_ssize_t k = 0; k < kept; k++) store_lanes(world[chosen[k]], 4, lane, to + 4 * k);
        }
    }
    result = Py_NewRef(Py_None);
done:
    PyMem_Free(memory);
    release(&arrays);
    return result;
}

/* --- control of a simulated step ----------------------------------------------------------------------------------- */

static const int NEXT[3] = {1, 2, 0}, LAST[3] = {2, 0, 1};

static double smaller(double a, double b) { return a <= b || a != a ? a : b; } /* NaN wins, as in NumPy */
static double larger(double a, double b) { return a >= b || a != a ? a : b; }

enum { GOAL = 0, GOAL_TURN = 3, GOAL_SPEED = 7, GOAL_SPIN = 10, REST = 13, INERTIA = 19, LEVER = 28, PUSH = 31,
       LOADED = 34, ANKLES = 36, CONTROL_WIDTH = 42 };

/* Arguments: controls (N, 42) of a step; states of n roots: positions and velocities (n, 3), orientations (n, 4) and spins
 * (n, 3); ankles (n, 2, 3); per body stiffness, damping and limit of the force (N, 7); angular rates, angular damping,
 * limit of the moment, rates of stance, swing and turn, limit of shifts and uprighting (10,); low-passed errors (N, 9),
 * updated. Results: force and moment (n, 6), force with push and torque (n, 6), shifts of ankles (n, 2, 3), turns of
 * hips (n, 2, 3). */
static PyObject *steer(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    static const Py_ssize_t WIDTHS[] = {CONTROL_WIDTH, 3, 3, 4, 3, 6, 7, 0, 9, 6, 6, 6, 6};
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    double *data[13];
    if (!count_arguments(given, 13)) return NULL;
    for (int k = 0; k < 13; k++) {
        Py_buffer *view = take(&arrays, values[k], PyBUF_C_CONTIGUOUS | (k > 7 ? PyBUF_WRITABLE : 0), 'd', -1);
        if (view == NULL) goto done;
        data[k] = view->buf;
    }
    Py_ssize_t count = arrays.views[12].len / (Py_ssize_t)(6 * sizeof(double));
    for (int k = 0; k < 13; k++)
        REQUIRE(arrays.views[k].len >= (Py_ssize_t)sizeof(double) * (k == 7 ? 10 : count * WIDTHS[k]), "arrays are too short");
    const double *set = data[7], angular_damping = set[3], moment_limit = set[4];
    for (Py_ssize_t body = 0; body < count; body++) {
        double *row[13], moment[3], spin[3], tilt[3], local[3], twice[3], doubled[3], inverse[3];
        for (int k = 0; k < 13; k++) row[k] = data[k] + body * WIDTHS[k];
        const double *control = row[0], *place = row[1], *speed = row[2], *turn = row[3], *drive = row[6];
        const double *goal = control + GOAL, *wanted = control + GOAL_TURN, *rest = control + REST;
        double *errors = row[8], *wrench = row[9], *applied = row[10];
        for (int i = 0; i < 3; i++)
            wrench[i] = drive[i] * (goal[i] - place[i]) + drive[3 + i] * (control[GOAL_SPEED + i] - speed[i]) + rest[i];
        double share = smaller(1.0, drive[6] / larger(hypot(wrench[0], wrench[1]), 1e-9));
        wrench[0] *= share;
        wrench[1] *= share;
        wrench[2] = smaller(larger(wrench[2], -drive[6]), drive[6]);
        double along = 0;
        for (int i = 0; i < 4; i++) along += wanted[i] * turn[i];
        double sign = along >= 0 ? 2.0 : -2.0;
        for (int i = 0; i < 3; i++) {
            int a = NEXT[i], b = LAST[i];
            tilt[i] = sign * (wanted[i] * turn[3] - wanted[3] * turn[i] - wanted[a] * turn[b] + wanted[b] * turn[a]);
            spin[i] = control[GOAL_SPIN + i] - row[4][i];
        }
        for (int i = 0; i < 3; i++) moment[i] = set[i] * (set[i] * tilt[i] + angular_damping * spin[i]);
        for (int i = 0; i < 3; i++) {
            const double *inertia = control + INERTIA + 3 * i;
            wrench[3 + i] = inertia[0] * moment[0] + inertia[1] * moment[1] + inertia[2] * moment[2] + rest[3 + i];
        }
        const double *about = wrench + 3;
        double size = sqrt(about[0] * about[0] + about[1] * about[1] + about[2] * about[2]);
        share = smaller(1.0, moment_limit / larger(size, 1e-9));
        for (int i = 0; i < 3; i++) wrench[3 + i] *= share;
        cross_one((const char *)(control + LEVER), 8, (const char *)wrench, 8, applied + 3);
        for (int i = 0; i < 3; i++) {
            applied[i] = wrench[i] + control[PUSH + i];
            applied[3 + i] = wrench[3 + i] + applied[3 + i];
            inverse[i] = -turn[i];
            doubled[i] = 2 * inverse[i];
        }
        cross_one((const char *)doubled, 8, (const char *)tilt, 8, twice);
        cross_one((const char *)inverse, 8, (const char *)twice, 8, local);
        double *turned = errors + 6;
        for (int i = 0; i < 3; i++) {
            local[i] = tilt[i] + turn[3] * twice[i] + local[i];
            turned[i] += set[7] * (local[i] - turned[i]);
        }
        for (int leg = 0; leg < 2; leg++) {
            const double *target = control + ANKLES + 3 * leg, *ankle = row[5] + 3 * leg;
            double loaded = control[LOADED + leg], *stand = errors + 2 * leg, *sunk = errors + 4 + leg;
            double *shift = row[11] + 3 * leg, *upright = row[12] + 3 * leg;
            for (int i = 0; i < 2; i++) stand[i] += set[5] * (ankle[i] - target[i] - stand[i]);
            share = loaded * smaller(1.0, set[8] / larger(hypot(stand[0], stand[1]), 1e-9));
            for (int i = 0; i < 2; i++) shift[i] = share * stand[i];
            double lowered = tilt[0] * (target[1] - goal[1]) - tilt[1] * (target[0] - goal[0]);
            *sunk += set[6] * (place[2] - goal[2] - lowered - *sunk);
            shift[2] = (1.0 - loaded) * smaller(set[8], larger(0.0, -*sunk));
            for (int i = 0; i < 3; i++) upright[i] = -set[9] * loaded * turned[i];
        }
    }
    result = Py_NewRef(Py_None);
done:
    release(&arrays);
    return result;
}

static void turn_a_little(const double *angles, double *quaternion) {
    double remainder = 1.0;
    for (int i = 0; i < 3; i++) {
        quaternion[i] = 0.5 * angles[i];
        remainder -= quaternion[i] * quaternion[i];
    }
    quaternion[3] = sqrt(larger(remainder, 0.0));
}

/* Arguments: int32 joints (6,) of both legs, hips first; turns (n, 2, 9) of these, then (n, 2, 3) of the hips in their
 * parents' frames; targets (n, J, 4), changed. */
static PyObject *turn_legs(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    if (!count_arguments(given, 4)) return NULL;
    INDICES(joints, 0);
    READ(turns, 1, -1);
    READ(uprights, 2, -1);
    WRITE(targets, 3, 3);
    Py_ssize_t count = targets->shape[0], width = targets->shape[1];
    const int *numbers = joints->buf;
    REQUIRE(joints->shape[0] == 6 && targets->shape[2] == 4 && turns->len >= 18 * 8 * count && uprights->len >= 6 * 8 * count,
            "shapes of turns differ");
    for (int k = 0; k < 6; k++) REQUIRE(numbers[k] >= 0 && numbers[k] < width, "no such joint");
    for (Py_ssize_t body = 0; body < count; body++)
        for (int k = 0; k < 6; k++) {
            double *target = (double *)targets->buf + 4 * (body * width + numbers[k]), turn[4], moved[4];
            turn_a_little((double *)turns->buf + 18 * body + 3 * k, turn);
            compose_one((char *)target, 8, (char *)turn, 8, moved);
            memcpy(target, moved, sizeof moved);
            if (k % 3) continue;
            turn_a_little((double *)uprights->buf + 6 * body + k, turn);
            compose_one((char *)turn, 8, (char *)moved, 8, target);
        }
    result = Py_NewRef(Py_None);
done:
    release(&arrays);
    return result;
}

/* --- banded systems ------------------------------------------------------------------------------------------------ */

/* Solves a positive definite system in place. Row j of the factor (size, kept) is what couples j with j, j + 1, …
 * Returns 0, or the number of the leading minor that is not positive. */
WIDE static Py_ssize_t solve_band_rows(double *factor, double *all, Py_ssize_t size, Py_ssize_t kept, Py_ssize_t columns) {
    Py_ssize_t beside = kept - 1;
    for (Py_ssize_t j = 0; j < size; j++) {
        double *row = factor + j * kept;
        if (!(row[0] > 0)) return j + 1;
        row[0] = sqrt(row[0]);
        double inverse = 1 / row[0];
        Py_ssize_t last = size - 1 - j < beside ? size - 1 - j : beside;
        for (Py_ssize_t k = 1; k <= last; k++) row[k] *= inverse;
        for (Py_ssize_t p = 1; p <= last; p++) {
            double share = row[p], *below = row + p * beside;
            if (share != 0)
                for (Py_ssize_t q = p; q <= last; q++) below[q] -= share * row[q];
        }
    }
    for (Py_ssize_t j = 0; j < size; j++) {
        double *target = all + j * columns, *row = factor + j * kept;
        for (Py_ssize_t m = 0; m < columns; m++) target[m] /= row[0];
        for (Py_ssize_t k = 1; k <= beside && j + k < size; k++)
            for (Py_ssize_t m = 0; m < columns; m++) target[k * columns + m] -= row[k] * target[m];
    }
    for (Py_ssize_t j = size - 1; j >= 0; j--) {
        double *target = all + j * columns, *row = factor + j * kept;
        for (Py_ssize_t k = 1; k <= beside && j + k < size; k++)
            for (Py_ssize_t m = 0; m < columns; m++) target[m] -= row[k] * target[k * columns + m];
        for (Py_ssize_t m = 0; m < columns; m++) target[m] /= row[0];
    }
    return 0;
}

/* Arguments: the rows (T, K) of a symmetric matrix from the diagonal on, which are overwritten, and right sides (T, M),
 * which become the solution. Returns 0, or the number of the leading minor that is not positive. */
static PyObject *solve_banded_rows(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    if (!count_arguments(given, 2)) return NULL;
    WRITE(rows, 0, 2);
    WRITE(right, 1, 2);
    REQUIRE(rows->shape[1] > 0 && right->shape[0] == rows->shape[0], "shapes of a banded system differ");
    result = PyLong_FromSsize_t(
        solve_band_rows(rows->buf, right->buf, rows->shape[0], rows->shape[1], right->shape[1]));
done:
    release(&arrays);
    return result;
}

/* Arguments: the diagonals (K, T) of a symmetric matrix, the main one last, each ending in the last column, and right
 * sides (T, M), which become the solution. Returns 0, or the number of the leading minor that is not positive. */
static PyObject *solve_banded(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    double *factor = NULL;
    if (!count_arguments(given, 2)) return NULL;
    READ(bands, 0, 2);
    WRITE(right, 1, 2);
    Py_ssize_t kept = bands->shape[0], beside = kept - 1, size = bands->shape[1];
    REQUIRE(kept > 0 && right->shape[0] == size, "shapes of a banded system differ");
    factor = PyMem_Malloc((kept * size + 1) * sizeof(double));
    if (factor == NULL) { PyErr_NoMemory(); goto done; }
    for (Py_ssize_t j = 0; j < size; j++)
        for (Py_ssize_t k = 0; k < kept; k++)
            factor[j * kept + k] = j + k < size ? ((double *)bands->buf)[(beside - k) * size + j + k] : 0.0;
    result = PyLong_FromSsize_t(solve_band_rows(factor, right->buf, size, kept, right->shape[1]));
done:
    PyMem_Free(factor);
    release(&arrays);
    return result;
}

/* --- text ---------------------------------------------------------------------------------------------------------- */

/* Reads a number and moves past it; returns 0 if there is none. The quotient of a whole number up to 2^53 and a power of
 * ten up to 10^22, both exact, is rounded once; Python's own function reads all other numbers. */
static int read_number(const char **at, double *number) {
    static const double TENS[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                                  1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    const char *to = *at + (**at == '-' || **at == '+'), *first = to;
    unsigned long long whole = 0;
    while (*to >= '0' && *to <= '9') whole = 10 * whole + (unsigned long long)(*to++ - '0');
    Py_ssize_t digits = to - first, decimals = 0;
    if (*to == '.') {
        const char *point = to++;
        while (*to >= '0' && *to <= '9') whole = 10 * whole + (unsigned long long)(*to++ - '0');
        decimals = to - point - 1;
        digits += decimals;
    }
    if (!digits) return 0;
    if (digits < 20 && whole <= 1ULL << 53 && *to != 'e' && *to != 'E') {
        *number = (double)whole / TENS[decimals];
        if (**at == '-') *number = -*number;
    } else {
        char *end;
        *number = PyOS_string_to_double(*at, &end, NULL);
        if (PyErr_Occurred()) return 0;
        to = end;
    }
    *at = to;
    return 1;
}

/* Arguments: ASCII text, the index of lines of C numbers in it; result: numbers (R, C). Returns whether the rest of the
 * text is exactly that, with a line end after the last row. */
static PyObject *read_rows(PyObject *module, PyObject *const *values, Py_ssize_t given) {
    Arrays arrays = {.count = 0};
    PyObject *result = NULL;
    if (!count_arguments(given, 3)) return NULL;
    Py_ssize_t size, start = PyLong_AsSsize_t(values[1]);
    const char *text = PyUnicode_AsUTF8AndSize(values[0], &size);
    if (text == NULL || PyErr_Occurred()) return NULL;
    REQUIRE(start >= 0 && start <= size, "no such index in the text");
    const char *at = text + start, *end = text + size;
    WRITE(numbers, 2, 2);
    Py_ssize_t columns = numbers->shape[1];
    double *to = numbers->buf, *last = to + numbers->len / (Py_ssize_t)sizeof(double);
    int is_sound = columns > 0;
    while (is_sound && to < last) {
        while (*at == ' ' || *at == '\t' || *at == '\n') at++;
        for (Py_ssize_t k = 0; is_sound && k < columns; k++) {
            is_sound = read_number(&at, to++) && (*at == ' ' || *at == '\t' || *at == '\n');
            while (*at == ' ' || *at == '\t') at++;
        }
        is_sound = is_sound && *at == '\n';
    }
    while (*at == ' ' || *at == '\t' || *at == '\n') at++;
    if (!PyErr_Occurred()) result = PyBool_FromLong(is_sound && at == end);
done:
    release(&arrays);
    return result;
}

/* --- the module ---------------------------------------------------------------------------------------------------- */

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, NULL}
static PyMethodDef METHODS[] = {
    METHOD(compose), METHOD(rotate), METHOD(cross), METHOD(pose), METHOD(steer), METHOD(turn_legs),
    METHOD(solve_banded), METHOD(solve_banded_rows), METHOD(read_rows),
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot SLOTS[] = {{0, NULL}};
static struct PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_kernels", NULL, 0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) { return PyModuleDef_Init(&MODULE); }
