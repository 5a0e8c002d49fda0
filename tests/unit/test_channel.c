/*
 * proto/channel: the arithmetic of the windows and the order of EOF and CLOSE.
 */
#include <criterion/criterion.h>

#include "proto/channel.h"

static struct channel open_channel(void)
{
    return (struct channel){
        .state = CHANNEL_OPEN,
        .peer_window = 100,
        .peer_packet_max = 10,
        .window = LIMIT_WINDOW_START,
        .target = LIMIT_WINDOW_START,
    };
}

Test(channel, nothing_but_in_open)
{
    static const enum channel_state states[] = {CHANNEL_FREE, CHANNEL_ASKED, CHANNEL_OFFERED,
                                                CHANNEL_REFUSED};
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        struct channel channel = open_channel();
        bool reopened = true;
        channel.state = (uint8_t)states[i];
        cr_assert_eq(channel_take_data(&channel, 1), ERR_CHANNEL);
        cr_assert_eq(channel_take_eof(&channel), ERR_CHANNEL);
        cr_assert_eq(channel_take_close(&channel), ERR_CHANNEL);
        cr_assert_eq(channel_take_adjust(&channel, 1, &reopened), ERR_CHANNEL);
        cr_assert(!reopened);
        cr_assert_eq(channel_budget(&channel), 0);
    }
}

Test(channel, data_within_the_window)
{
    struct channel channel = open_channel();
    channel.window = 10;
    cr_assert_eq(channel_take_data(&channel, 11), ERR_WINDOW);
    cr_assert_eq(channel_take_data(&channel, 10), ERR_OK);
    cr_assert_eq(channel_take_data(&channel, 0), ERR_OK);
    cr_assert_eq(channel_take_data(&channel, 1), ERR_WINDOW);
    channel = open_channel();
    cr_assert_eq(channel_take_data(&channel, LIMIT_CHANNEL_DATA), ERR_OK);
    cr_assert_eq(channel_take_data(&channel, LIMIT_CHANNEL_DATA + 1), ERR_WINDOW);
    cr_assert_eq(channel_take_data(&channel, SIZE_MAX), ERR_WINDOW);
}

Test(channel, order_of_eof_and_close)
{
    struct channel channel = open_channel();
    cr_assert_eq(channel_take_eof(&channel), ERR_OK);
    cr_assert_eq(channel_take_data(&channel, 1), ERR_UNEXPECTED);
    /* said twice it says nothing new */
    cr_assert_eq(channel_take_eof(&channel), ERR_OK);
    cr_assert_eq(channel_take_close(&channel), ERR_OK);
    cr_assert_eq(channel_take_close(&channel), ERR_CHANNEL);
    cr_assert_eq(channel_take_eof(&channel), ERR_CHANNEL);
    cr_assert_eq(channel_take_data(&channel, 1), ERR_CHANNEL);
    channel = open_channel();
    cr_assert_eq(channel_take_close(&channel), ERR_OK);
}

Test(channel, adjust_up_to_the_largest_window)
{
    struct channel channel = open_channel();
    bool reopened = true;
    cr_assert_eq(channel_take_adjust(&channel, UINT32_MAX - 100, &reopened), ERR_OK);
    cr_assert(!reopened);
    cr_assert_eq(channel_take_adjust(&channel, 1, &reopened), ERR_WINDOW);
    channel.peer_window = 0;
    cr_assert_eq(channel_take_adjust(&channel, 0, &reopened), ERR_OK);
    cr_assert(!reopened);
    cr_assert_eq(channel_take_adjust(&channel, UINT32_MAX, &reopened), ERR_OK);
    cr_assert(reopened);
}

Test(channel, budget_ends_with_our_half)
{
    struct channel channel = open_channel();
    cr_assert_eq(channel_budget(&channel), 100);
    bool *flags[] = {&channel.due_eof, &channel.eof_out, &channel.due_close, &channel.close_out,
                     &channel.close_in};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        *flags[i] = true;
        cr_assert_eq(channel_budget(&channel), 0);
        *flags[i] = false;
    }
    /* the peer's EOF is not ours */
    channel.eof_in = true;
    cr_assert_eq(channel_budget(&channel), 100);
}

Test(channel, credit_is_granted_by_quarters)
{
    struct channel channel = open_channel();
    uint32_t budget = 0;
    uint32_t quarter = LIMIT_WINDOW_START / 4;
    for (uint32_t taken = 0; taken < quarter; taken += 1024) {
        cr_assert_eq(channel_take_data(&channel, 1024), ERR_OK);
    }
    cr_assert(!channel_consume(&channel, quarter - 1));
    cr_assert(channel_consume(&channel, 1));
    cr_assert_eq(channel_grant(&channel, &budget), quarter);
    cr_assert_eq(channel.window, LIMIT_WINDOW_START);
    cr_assert_eq(channel.credit, 0);
}

Test(channel, no_adjust_behind_the_peers_end)
{
    for (int i = 0; i < 4; i++) {
        struct channel channel = open_channel();
        channel.window = 0;
        bool *flags[] = {&channel.eof_in, &channel.close_in, &channel.due_close,
                         &channel.close_out};
        *flags[i] = true;
        cr_assert(!channel_consume(&channel, LIMIT_WINDOW_START));
    }
}

/* A window that goes through whole doubles, within the budget and up to its maximum. */
Test(channel, growth_within_the_budget)
{
    struct channel channel = open_channel();
    uint32_t budget = LIMIT_WINDOW_START + LIMIT_WINDOW_START / 2;
    uint32_t expected[] = {2 * LIMIT_WINDOW_START, 2 * LIMIT_WINDOW_START + LIMIT_WINDOW_START / 2,
                           2 * LIMIT_WINDOW_START + LIMIT_WINDOW_START / 2};
    for (size_t i = 0; i < 3; i++) {
        uint32_t all = channel.window;
        channel.window = 0;
        cr_assert(channel_consume(&channel, all));
        cr_assert_eq(channel_grant(&channel, &budget), expected[i]);
        cr_assert_eq(channel.target, expected[i]);
        cr_assert_eq(channel.window, expected[i]);
    }
    cr_assert_eq(budget, 0);
    budget = UINT32_MAX;
    for (int i = 0; i < 20; i++) {
        uint32_t all = channel.window;
        channel.window = 0;
        cr_assert(channel_consume(&channel, all));
        channel_grant(&channel, &budget);
        cr_assert_leq(channel.target, LIMIT_WINDOW_MAX);
    }
    cr_assert_eq(channel.target, LIMIT_WINDOW_MAX);
}
