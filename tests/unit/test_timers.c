/*
 * The timer heap: order under random adds and removes, and what it knows of each op.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/timers.h"

static void check_heap(const struct timers *timers)
{
    for (size_t i = 0; i < timers->count; i++) {
        cr_assert_eq(timers->at[i]->heap_index, i);
        if (i > 0) {
            cr_assert_leq(timers->at[(i - 1) / 2]->deadline_ns, timers->at[i]->deadline_ns);
        }
    }
}

Test(timers, empty_has_no_first)
{
    struct timers timers = {0};
    cr_assert_null(timers_first(&timers));
    timers_free(&timers);
    cr_assert_null(timers_first(&timers));
}

Test(timers, come_out_in_order)
{
    enum { COUNT = 1000 };
    static struct io_op ops[COUNT];
    struct timers timers = {0};
    srand(1);
    for (int i = 0; i < COUNT; i++) {
        /* few values, so many are equal; negative ones too */
        ops[i].deadline_ns = rand() % 100 - 50;
        cr_assert_eq(timers_add(&timers, &ops[i]), 0);
    }
    check_heap(&timers);
    int64_t last = INT64_MIN;
    for (int i = 0; i < COUNT; i++) {
        struct io_op *op = timers_first(&timers);
        cr_assert_not_null(op);
        cr_assert_geq(op->deadline_ns, last);
        last = op->deadline_ns;
        timers_remove(&timers, op);
    }
    cr_assert_null(timers_first(&timers));
    timers_free(&timers);
}

Test(timers, removing_from_anywhere_keeps_the_order)
{
    enum { COUNT = 300, STEPS = 5000 };
    static struct io_op ops[COUNT];
    static bool in[COUNT];
    struct timers timers = {0};
    srand(2);
    for (int step = 0; step < STEPS; step++) {
        int i = rand() % COUNT;
        if (in[i]) {
            timers_remove(&timers, &ops[i]);
        } else {
            ops[i].deadline_ns = rand();
            cr_assert_eq(timers_add(&timers, &ops[i]), 0);
        }
        in[i] = !in[i];
        check_heap(&timers);
        struct io_op *first = timers_first(&timers);
        for (int k = 0; k < COUNT; k++) {
            if (in[k]) {
                cr_assert_leq(first->deadline_ns, ops[k].deadline_ns);
            }
        }
    }
    timers_free(&timers);
}

Test(timers, extremes)
{
    struct timers timers = {0};
    struct io_op never = {.deadline_ns = INT64_MAX};
    struct io_op long_ago = {.deadline_ns = INT64_MIN};
    struct io_op now = {.deadline_ns = 0};
    timers_add(&timers, &never);
    timers_add(&timers, &now);
    timers_add(&timers, &long_ago);
    cr_assert_eq(timers_first(&timers), &long_ago);
    timers_remove(&timers, &now);
    timers_remove(&timers, &long_ago);
    cr_assert_eq(timers_first(&timers), &never);
    timers_remove(&timers, &never);
    cr_assert_null(timers_first(&timers));
    timers_free(&timers);
}
