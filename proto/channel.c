/*
 * One channel's arithmetic and order of events.
 */
#include "proto/channel.h"

#include <assert.h>

enum err channel_take_data(struct channel *channel, size_t len)
{
    if (channel->state != CHANNEL_OPEN || channel->close_in) {
        return ERR_CHANNEL;
    }
    if (channel->eof_in) {
        return ERR_UNEXPECTED;
    }
    if (len > LIMIT_CHANNEL_DATA || len > channel->window) {
        return ERR_WINDOW;
    }
    channel->window -= (uint32_t)len;
    return ERR_OK;
}

enum err channel_take_adjust(struct channel *channel, uint32_t bytes, bool *ret_reopened)
{
    *ret_reopened = false;
    if (channel->state != CHANNEL_OPEN) {
        return ERR_CHANNEL;
    }
    if (bytes > UINT32_MAX - channel->peer_window) {
        return ERR_WINDOW;
    }
    *ret_reopened = channel->peer_window == 0 && bytes > 0;
    channel->peer_window += bytes;
    return ERR_OK;
}

enum err channel_take_eof(struct channel *channel)
{
    if (channel->state != CHANNEL_OPEN || channel->close_in) {
        return ERR_CHANNEL;
    }
    channel->eof_in = true;
    return ERR_OK;
}

enum err channel_take_close(struct channel *channel)
{
    if (channel->state != CHANNEL_OPEN || channel->close_in) {
        return ERR_CHANNEL;
    }
    channel->close_in = true;
    return ERR_OK;
}

bool channel_consume(struct channel *channel, size_t len)
{
    /* never more than what came: the sum of both is the target */
    assert(len <= channel->target - channel->window - channel->credit);
    channel->credit += (uint32_t)len;
    channel->consumed += (uint32_t)len;
    bool wanted =
        !channel->eof_in && !channel->close_in && !channel->due_close && !channel->close_out;
    /* a quarter at a time: rarely enough to cost nothing, early enough not to stop the sender */
    return wanted && channel->credit >= channel->target / 4;
}

uint32_t channel_grant(struct channel *channel, uint32_t *budget)
{
    uint32_t grant = channel->credit;
    channel->credit = 0;
    if (channel->consumed >= channel->target) {
        channel->consumed = 0;
        uint32_t room = LIMIT_WINDOW_MAX - channel->target;
        uint32_t growth = channel->target < room ? channel->target : room;
        growth = growth < *budget ? growth : *budget;
        *budget -= growth;
        channel->target += growth;
        grant += growth;
    }
    channel->window += grant;
    return grant;
}

size_t channel_budget(const struct channel *channel)
{
    bool open = channel->state == CHANNEL_OPEN && !channel->due_eof && !channel->eof_out &&
                !channel->due_close && !channel->close_out && !channel->close_in;
    return open ? channel->peer_window : 0;
}
