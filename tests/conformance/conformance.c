/*
 * Conformance of the backends with engine/io.h: every case runs on each of them. Where the system
 * refuses io_uring its half is skipped, with the reason.
 */
#include <errno.h>
#include <sys/syscall.h>

#include "cases.h"
#include "harness.h"

Test(epoll, echo_pair)
{
    case_echo_pair(IO_BACKEND_EPOLL);
}

Test(epoll, echo_tcp)
{
    case_echo_tcp(IO_BACKEND_EPOLL);
}

Test(epoll, callbacks_only_in_turn)
{
    case_callbacks_only_in_turn(IO_BACKEND_EPOLL);
}

Test(epoll, half_close)
{
    case_half_close(IO_BACKEND_EPOLL);
}

Test(epoll, scatter_gather)
{
    case_scatter_gather(IO_BACKEND_EPOLL);
}

Test(epoll, send_short)
{
    case_send_short(IO_BACKEND_EPOLL);
}

Test(epoll, send_waits)
{
    case_send_waits(IO_BACKEND_EPOLL);
}

Test(epoll, send_now)
{
    case_send_now(IO_BACKEND_EPOLL);
}

Test(epoll, stream_errors)
{
    case_stream_errors(IO_BACKEND_EPOLL);
}

Test(epoll, submit_inside_done)
{
    case_submit_inside_done(IO_BACKEND_EPOLL);
}

Test(epoll, many_sockets)
{
    case_many_sockets(IO_BACKEND_EPOLL);
}

Test(epoll, ops_share_a_descriptor)
{
    case_ops_share_a_descriptor(IO_BACKEND_EPOLL);
}

Test(epoll, pool_by_hand)
{
    case_pool_by_hand(IO_BACKEND_EPOLL);
}

Test(epoll, pool_recv)
{
    case_pool_recv(IO_BACKEND_EPOLL);
}

Test(epoll, pool_idle_holds_none)
{
    case_pool_idle_holds_none(IO_BACKEND_EPOLL);
}

Test(epoll, pool_empty_and_refill)
{
    case_pool_empty_and_refill(IO_BACKEND_EPOLL);
}

Test(epoll, pool_all_taken_by_hand)
{
    case_pool_all_taken_by_hand(IO_BACKEND_EPOLL);
}

Test(epoll, pool_several)
{
    case_pool_several(IO_BACKEND_EPOLL);
}

Test(epoll, pool_burst)
{
    case_pool_burst(IO_BACKEND_EPOLL);
}

Test(epoll, cancel_every_kind)
{
    case_cancel_every_kind(IO_BACKEND_EPOLL);
}

Test(epoll, cancel_loses_no_bytes)
{
    case_cancel_loses_no_bytes(IO_BACKEND_EPOLL);
}

Test(epoll, cancel_inside_done)
{
    case_cancel_inside_done(IO_BACKEND_EPOLL);
}

Test(epoll, late_completion)
{
    case_late_completion(IO_BACKEND_EPOLL);
}

Test(epoll, descriptor_reused)
{
    case_descriptor_reused(IO_BACKEND_EPOLL);
}

Test(epoll, descriptor_duplicated)
{
    case_descriptor_duplicated(IO_BACKEND_EPOLL);
}

Test(epoll, cancel_storm)
{
    case_cancel_storm(IO_BACKEND_EPOLL);
}

Test(epoll, connect_and_accept)
{
    case_connect_and_accept(IO_BACKEND_EPOLL);
}

Test(epoll, connect_refused)
{
    case_connect_refused(IO_BACKEND_EPOLL);
}

Test(epoll, connect_unix)
{
    case_connect_unix(IO_BACKEND_EPOLL);
}

Test(epoll, accept_many)
{
    case_accept_many(IO_BACKEND_EPOLL);
}

Test(epoll, accept_cancelled_inside)
{
    case_accept_cancelled_inside(IO_BACKEND_EPOLL);
}

Test(epoll, accept_no_descriptors)
{
    case_accept_no_descriptors(IO_BACKEND_EPOLL);
}

Test(epoll, timers_in_order)
{
    case_timers_in_order(IO_BACKEND_EPOLL);
}

Test(epoll, timer_armed_again_inside)
{
    case_timer_armed_again_inside(IO_BACKEND_EPOLL);
}

Test(epoll, turn_deadline)
{
    case_turn_deadline(IO_BACKEND_EPOLL);
}

Test(epoll, wake)
{
    case_wake(IO_BACKEND_EPOLL);
}

Test(epoll, watch)
{
    case_watch(IO_BACKEND_EPOLL);
}

Test(epoll, watch_no_events)
{
    case_watch_no_events(IO_BACKEND_EPOLL);
}

Test(epoll, hung_up_does_not_spin)
{
    case_hung_up_does_not_spin(IO_BACKEND_EPOLL);
}

Test(epoll, more_than_the_queues_hold)
{
    case_more_than_the_queues_hold(IO_BACKEND_EPOLL);
}

Test(epoll, made_again_and_again)
{
    case_made_again_and_again(IO_BACKEND_EPOLL);
}

Test(uring, echo_pair)
{
    case_echo_pair(IO_BACKEND_URING);
}

Test(uring, echo_tcp)
{
    case_echo_tcp(IO_BACKEND_URING);
}

Test(uring, callbacks_only_in_turn)
{
    case_callbacks_only_in_turn(IO_BACKEND_URING);
}

Test(uring, half_close)
{
    case_half_close(IO_BACKEND_URING);
}

Test(uring, scatter_gather)
{
    case_scatter_gather(IO_BACKEND_URING);
}

Test(uring, send_short)
{
    case_send_short(IO_BACKEND_URING);
}

Test(uring, send_waits)
{
    case_send_waits(IO_BACKEND_URING);
}

Test(uring, send_now)
{
    case_send_now(IO_BACKEND_URING);
}

Test(uring, stream_errors)
{
    case_stream_errors(IO_BACKEND_URING);
}

Test(uring, submit_inside_done)
{
    case_submit_inside_done(IO_BACKEND_URING);
}

Test(uring, many_sockets)
{
    case_many_sockets(IO_BACKEND_URING);
}

Test(uring, ops_share_a_descriptor)
{
    case_ops_share_a_descriptor(IO_BACKEND_URING);
}

Test(uring, pool_by_hand)
{
    case_pool_by_hand(IO_BACKEND_URING);
}

Test(uring, pool_recv)
{
    case_pool_recv(IO_BACKEND_URING);
}

Test(uring, pool_idle_holds_none)
{
    case_pool_idle_holds_none(IO_BACKEND_URING);
}

Test(uring, pool_empty_and_refill)
{
    case_pool_empty_and_refill(IO_BACKEND_URING);
}

Test(uring, pool_all_taken_by_hand)
{
    case_pool_all_taken_by_hand(IO_BACKEND_URING);
}

Test(uring, pool_several)
{
    case_pool_several(IO_BACKEND_URING);
}

Test(uring, pool_burst)
{
    case_pool_burst(IO_BACKEND_URING);
}

Test(uring, cancel_every_kind)
{
    case_cancel_every_kind(IO_BACKEND_URING);
}

Test(uring, cancel_loses_no_bytes)
{
    case_cancel_loses_no_bytes(IO_BACKEND_URING);
}

Test(uring, cancel_inside_done)
{
    case_cancel_inside_done(IO_BACKEND_URING);
}

Test(uring, late_completion)
{
    case_late_completion(IO_BACKEND_URING);
}

Test(uring, descriptor_reused)
{
    case_descriptor_reused(IO_BACKEND_URING);
}

Test(uring, descriptor_duplicated)
{
    case_descriptor_duplicated(IO_BACKEND_URING);
}

Test(uring, cancel_storm)
{
    case_cancel_storm(IO_BACKEND_URING);
}

Test(uring, connect_and_accept)
{
    case_connect_and_accept(IO_BACKEND_URING);
}

Test(uring, connect_refused)
{
    case_connect_refused(IO_BACKEND_URING);
}

Test(uring, connect_unix)
{
    case_connect_unix(IO_BACKEND_URING);
}

Test(uring, accept_many)
{
    case_accept_many(IO_BACKEND_URING);
}

Test(uring, accept_cancelled_inside)
{
    case_accept_cancelled_inside(IO_BACKEND_URING);
}

Test(uring, accept_no_descriptors)
{
    case_accept_no_descriptors(IO_BACKEND_URING);
}

Test(uring, timers_in_order)
{
    case_timers_in_order(IO_BACKEND_URING);
}

Test(uring, timer_armed_again_inside)
{
    case_timer_armed_again_inside(IO_BACKEND_URING);
}

Test(uring, turn_deadline)
{
    case_turn_deadline(IO_BACKEND_URING);
}

Test(uring, wake)
{
    case_wake(IO_BACKEND_URING);
}

Test(uring, watch)
{
    case_watch(IO_BACKEND_URING);
}

Test(uring, watch_no_events)
{
    case_watch_no_events(IO_BACKEND_URING);
}

Test(uring, hung_up_does_not_spin)
{
    case_hung_up_does_not_spin(IO_BACKEND_URING);
}

Test(uring, more_than_the_queues_hold)
{
    case_more_than_the_queues_hold(IO_BACKEND_URING);
}

Test(uring, made_again_and_again)
{
    case_made_again_and_again(IO_BACKEND_URING);
}

Test(uring, kernel_takes_nothing)
{
    case_kernel_takes_nothing(IO_BACKEND_URING);
}

Test(refused, by_policy)
{
    case_refused(SYS_io_uring_setup, EPERM, "forbids");
}

Test(refused, by_kernel)
{
    case_refused(SYS_io_uring_setup, ENOSYS, "kernel");
}

Test(refused, by_age)
{
    case_refused(SYS_io_uring_setup, EINVAL, "6.1");
}

Test(refused, for_memory)
{
    case_refused(SYS_io_uring_setup, ENOMEM, "memory");
}

Test(refused, by_half_a_policy)
{
    case_refused(SYS_io_uring_enter, EPERM, "forbids");
}

Test(refused, buffer_rings_by_age)
{
    case_refused(SYS_io_uring_register, EINVAL, "6.1");
}
