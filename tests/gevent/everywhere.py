"""A pytest plugin for a process that gevent has patched: every server of the tests gets `gevent=True`."""

import functools
import re

import gevent

from flaskJSONRPCServer import flaskJSONRPCServer

# Tests that expect something else under gevent: their names, with a pattern of their parameters.
DESELECTED = {
    # They expect a backend that answers one request for each connection; pywsgi keeps connections alive.
    "test_each_connection_is_closed_after_its_answer": "",
    "test_input_after_a_request_is_neither_answered_nor_awaited": "",
    "test_chunked_body_is_read": "",
    "test_close_notify_ends_each_connection": "",
    "test_several_addresses_and_a_unix_socket_are_served": "werkzeug",  # over TLS
    "test_restart_keeps_connections": "",
    # It counts the threads of another backend.
    "test_stalled_handshakes_block_no_other_connection": "",
    # Their threads never wait, so greenlets in their place would never switch.
    "test_registering_while_requests_run_is_safe": "",
    "test_reports_while_threads_count_are_never_negative": "",
    # They search the threads of `threading`, which does not list native ones.
    "test_watching_ends_with_the_server": "",
    "test_stop_ends_the_loop_and_a_start_makes_another": "",
    "test_stop_of_a_mounted_server_ends_the_loop": "",
    "test_dropped_server_ends_its_loop": "",
    "test_server_that_is_replaced_finishes_its_coroutines": "",
    "test_coroutine_that_outlasts_the_stop_is_cancelled_and_answered": "",
    # pywsgi may be exposed.
    "test_start_on_an_exposed_address_is_one_warning_with_the_remedy": "",
    # It registers another backend by its name.
    "test_documented_serving_backend_is_registered_for_the_next_start": "",
    # `_connection.nativeThread` differs between a greenlet and a native thread.
    "test_answer_is_that_of_the_serving_thread": "magic|sets headers",
    # gevent's os.close closes later, in a loop that the forked process of the test does not run.
    "test_forked_process_has_no_copy_of_a_released_socket": "",
    # They start processes without gevent.
    "test_signal_finishes_20_calls_in_flight": "",
    "test_signal_ends_serve_forever_cleanly": "",
    "test_signal_lets_the_call_in_flight_finish": "",
    "test_second_signal_ends_at_once": "",
    # Python handles a signal in whichever greenlet runs: here in the one that sends it.
    "test_signal_handler_that_raises_ends_its_question_alone": "",
    "test_signal_handler_may_ask_while_its_thread_waits": "",
    "test_signal_handler_may_raise_at_any_instruction_of_a_question": "",
    "test_signal_handler_may_ask_at_any_instruction_of_a_question": "",
    "test_exception_of_a_signal_handler_is_not_taken_for_a_failure_to_write_json": "",
    "test_interrupted_restart_leaves_the_server_answering": "",
    "test_interrupted_stop_leaves_nothing_that_serves": "",
    "test_signal_that_interrupts_the_wait_cancels_the_coroutine": "",
    # Greenlets are cancelled at a deadline, and threads are abandoned.
    "test_deadline_ends_the_span_of_the_call": "simple|threaded",
    "test_abandoned_calls_are_counted_until_they_end": "",
    "test_beyond_max_abandoned_calls_calls_with_a_deadline_are_refused": "",
    "test_abandoned_call_gives_its_place_to_another": "",
    "test_queued_call_does_not_begin_once_too_many_calls_are_left_behind": "",
    "test_outcome_of_an_abandoned_call_is_dropped_and_logged_at_level_debug": "",
    "test_stop_restart_and_reload_do_not_wait_for_abandoned_calls": "",
    "test_late_answer_of_an_abandoned_call_changes_no_response": "",
    "test_call_whose_deadline_passed_long_ago_is_not_waited_for": "",
    # They only run a command or a program in a separate process, where this plugin changes nothing.
    "test_name_that_celerys_own_command_cannot_find_is_an_error": "",
    "test_module_that_serves_at_its_import_is_refused": "",
    "test_worker_that_cannot_start_is_one_clear_line": "",
    "test_missing_module_is_an_error_with_the_command_that_installs_it": "",
    "test_celery_is_imported_only_where_it_is_used": "",
    "test_worker_that_is_forced_to_end_has_a_status_other_than_0": "",
    "test_unknown_backend_is_an_error_that_lists_the_known_ones": "",
    "test_version_of_kombu_that_lacks_a_name_is_one_clear_error": "",
    "test_missing_module_is_an_error_of_the_server": "",
    "test_modules_outside_of_workers_get_no_getattr": "",
    "test_dispatchers_read_and_change_the_main_program": "",
    "test_processes_have_the_globals_of_the_main_program_at_the_start": "",
    "test_global_that_cannot_be_pickled_is_named_in_the_debug_log": "",
    "test_stop_leaves_nothing": "",
    "test_traceback_of_a_child_shows_file_and_line_of_the_users_program": "",
    "test_classes_and_functions_of_the_main_program_are_mapped_and_may_change_while_it_serves": "",
    "test_children_end_with_their_parent_while_its_fork_lives_on": "",
    "test_child_inherits_nothing_but_the_output": "",
    "test_child_of_a_server_without_standard_streams_has_empty_ones": "",
    "test_signal_to_all_processes_lets_the_call_finish": "",
    "test_children_end_with_what_they_started_when_the_parent_is_killed": "",
    "test_inherited_socket_is_served": "",
    "test_all_sockets_of_systemd_are_served": "",
    "test_socket_of_a_number_is_served_beside_an_address": "",
    "test_clients_wait_while_the_service_is_started_anew": "",
    "test_child_processes_get_neither_the_sockets_nor_the_variables": "",
    "test_sockets_for_another_process_are_refused": "",
    "test_one_socket_is_not_taken_twice": "",
    "test_auto_needs_no_extra": "",
    "test_limit_of_open_files_stays_as_it_is": "",
    "test_server_without_tracing_does_not_load_the_library": "",
    "test_calls_are_answered_if_no_sdk_is_set": "",
    "test_signal_ends_a_start_that_joins_the_loop_cleanly": "",
    "test_descriptor_limit_is_raised_and_never_lowered": "",
    "test_memory_of_calls_that_make_cycles_reaches_a_plateau": "",
    "test_end_of_the_process_finishes_notifications_of_a_server_that_is_not_stopped": "",
    "test_calls_work_under_gevent": "",
    # The server, which is all that gevent changes, does not see which pool its workers have.
    "test_every_pool_of_workers_runs_calls": "solo|threads",
    "test_call_is_ended_at_its_deadline_where_the_pool_can_end_it": "threads",
    "test_call_that_takes_too_long_is_an_error_and_ends_where_the_pool_can_end_it": "threads",
    # Workers decide whether a call has expired or begins again. The server's side of it is in the other tests of
    # deadlines: it gives the call its time, waits no longer, and counts what is lost.
    "test_what_expires_in_a_pool_of_threads_never_runs": "",
    "test_call_that_expired_in_the_queue_never_runs": "",
    "test_running_notification_is_killed_and_not_begun_again": "",
    "test_each_queue_has_workers_of_its_own": "",
}


def pytest_configure():
    gevent.sleep(0)  # the event loop opens its descriptors at its first use, which some test would count as its own
    make = flaskJSONRPCServer.__init__

    @functools.wraps(make)
    def make_with_gevent(self, *args, **options):
        if options.get("servBackend") == "werkzeug":
            options["servBackend"] = "pywsgi"
        make(self, *args, **{"gevent": True, **options})

    flaskJSONRPCServer.__init__ = make_with_gevent


def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if not is_deselected(item)]


# Their dispatchers wait for primitives of `threading` in native threads, which the patch does not support.
# test_threads.py tests these backends under gevent. pywsgi takes the place of the serving backends.
NATIVE = re.compile(r"\bthreadedNative\b|\bnative\b|\bgranian\b")

# gevent does not see in which form a backend was given: by its name, as an object or as a dict.
SAME = re.compile(r"\bparallel object\b|\bown dict\b")


def is_deselected(item):
    name = item.name.partition("[")[0]
    if item.path.name == "test_granian.py":  # granian cannot serve with gevent
        return True
    if NATIVE.search(item.name) or SAME.search(item.name):
        return True
    return name in DESELECTED and re.search(DESELECTED[name], item.name) is not None
