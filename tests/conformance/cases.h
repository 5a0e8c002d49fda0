/*
 * The cases: each checks one promise of engine/io.h on the given backend.
 */
#ifndef CULVERT_TESTS_CONFORMANCE_CASES_H
#define CULVERT_TESTS_CONFORMANCE_CASES_H

#include "engine/io.h"

/* stream.c */
void case_echo_pair(enum io_backend_kind kind);
void case_echo_tcp(enum io_backend_kind kind);
void case_callbacks_only_in_turn(enum io_backend_kind kind);
void case_half_close(enum io_backend_kind kind);
void case_scatter_gather(enum io_backend_kind kind);
void case_send_short(enum io_backend_kind kind);
void case_send_waits(enum io_backend_kind kind);
void case_send_now(enum io_backend_kind kind);
void case_stream_errors(enum io_backend_kind kind);
void case_submit_inside_done(enum io_backend_kind kind);
void case_many_sockets(enum io_backend_kind kind);
void case_ops_share_a_descriptor(enum io_backend_kind kind);

/* pool.c */
void case_pool_by_hand(enum io_backend_kind kind);
void case_pool_recv(enum io_backend_kind kind);
void case_pool_idle_holds_none(enum io_backend_kind kind);
void case_pool_empty_and_refill(enum io_backend_kind kind);
void case_pool_all_taken_by_hand(enum io_backend_kind kind);
void case_pool_several(enum io_backend_kind kind);
void case_pool_burst(enum io_backend_kind kind);

/* cancel.c */
void case_cancel_every_kind(enum io_backend_kind kind);
void case_cancel_loses_no_bytes(enum io_backend_kind kind);
void case_cancel_inside_done(enum io_backend_kind kind);
void case_late_completion(enum io_backend_kind kind);
void case_descriptor_reused(enum io_backend_kind kind);
void case_descriptor_duplicated(enum io_backend_kind kind);
void case_cancel_storm(enum io_backend_kind kind);

/* connect.c */
void case_connect_and_accept(enum io_backend_kind kind);
void case_connect_refused(enum io_backend_kind kind);
void case_connect_unix(enum io_backend_kind kind);
void case_accept_many(enum io_backend_kind kind);
void case_accept_cancelled_inside(enum io_backend_kind kind);
void case_accept_no_descriptors(enum io_backend_kind kind);

/* turn.c */
void case_timers_in_order(enum io_backend_kind kind);
void case_timer_armed_again_inside(enum io_backend_kind kind);
void case_turn_deadline(enum io_backend_kind kind);
void case_wake(enum io_backend_kind kind);
void case_watch(enum io_backend_kind kind);
void case_watch_no_events(enum io_backend_kind kind);
void case_hung_up_does_not_spin(enum io_backend_kind kind);
void case_more_than_the_queues_hold(enum io_backend_kind kind);
void case_made_again_and_again(enum io_backend_kind kind);

/* io_uring alone. */
void case_kernel_takes_nothing(enum io_backend_kind kind);
/* Not of a backend: a system call of io_uring refused with that error, and a word that the reason
 * must have. */
void case_refused(int call, int error, const char *word);

#endif
