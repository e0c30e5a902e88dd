/* SPDX-License-Identifier: Apache-2.0 */
/* The handler's state is that of a process, so each test runs in one of its own. */
#include "ipc/report.h"
#include "shim/binding/libc.h"
#include "shim/process/process.h"
#include "shim/process/signals.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __has_feature
#define TG_HAS_TSAN __has_feature(thread_sanitizer)
#elif defined(__SANITIZE_THREAD__)
#define TG_HAS_TSAN 1
#else
#define TG_HAS_TSAN 0
#endif

/* ThreadSanitizer calls handlers late, keeps errno over them, and turns vfork into fork. */
static void skip_where_handlers_are_late(void)
{
	if (TG_HAS_TSAN)
		skip();
}

#define KILLED_BY(number) (number)
#define EXITED_WELL 0

/* In a child, where cmocka's own would end nothing. */
#define CHECK(condition)                                                                                                   \
	do {                                                                                                               \
		if (!(condition)) {                                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                                            \
			_exit(1);                                                                                          \
		}                                                                                                          \
	} while (0)

static struct tg_report_page *report;

static volatile sig_atomic_t calls, last_code, last_value;

static void plain_handler(int number)
{
	calls++;
	last_value = number;
	errno = 99;
}

static void info_handler(int number, siginfo_t *info, void *context)
{
	(void)number;
	calls += context ? 1 : 100;
	last_code = info->si_code;
}

static uint64_t requests(void)
{
	return report->reload_requests;
}

static struct sigaction get(void)
{
	struct sigaction action;

	CHECK(tg_signals_set(SIGHUP, NULL, &action) == 0);
	return action;
}

static struct sigaction kernel_has(void)
{
	struct sigaction action;

	CHECK(tg_libc.sigaction(SIGHUP, NULL, &action) == 0);
	return action;
}

static void set(void (*handler)(int), int flags)
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

	CHECK(tg_signals_set(SIGHUP, &action, NULL) == 0);
}

/* A signal as a terminal's hang-up would send it; a process may send that to itself (rt_sigqueueinfo(2)). */
static void raise_with_code(int code)
{
	siginfo_t info = {.si_signo = SIGHUP, .si_code = code};

	CHECK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGHUP, &info) == 0);
}

static int status_of(void (*body)(void))
{
	static const struct rlimit no_core;
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &no_core);
		tg_libc_bind();
		tg_process_start();
		tg_process_id();
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int set_up(void **state)
{
	(void)state;
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return report == MAP_FAILED ? -1 : 0;
}

static int clear_requests(void **state)
{
	(void)state;
	report->reload_requests = 0;
	return 0;
}

static void own_handler(void)
{
	tg_signals_start(SIGHUP, report);
	set(plain_handler, SA_RESTART | SA_ONSTACK);
	CHECK(kernel_has().sa_handler != plain_handler);
	CHECK(kernel_has().sa_flags & SA_RESTART);
	CHECK(get().sa_handler == plain_handler);
	CHECK(get().sa_flags == (SA_RESTART | SA_ONSTACK));
	raise(SIGHUP);
	CHECK(calls == 1 && last_value == SIGHUP && requests() == 1);
	/* what the program's handler does to errno is its own affair */
	errno = 5;
	raise(SIGHUP);
	CHECK(errno == 99);
}

static void a_handler_is_called_and_a_reload_requested(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(own_handler), EXITED_WELL);
}

static void other_signals(void)
{
	tg_signals_start(SIGHUP, report);
	CHECK(tg_signals_covers(SIGHUP) && !tg_signals_covers(SIGUSR1) && !tg_signals_covers(0));
}

static void only_the_reload_signal_is_covered(void **state)
{
	(void)state;
	assert_int_equal(status_of(other_signals), EXITED_WELL);
}

static void no_signal(void)
{
	tg_signals_start(0, report);
	tg_signals_serve();
	CHECK(!tg_signals_covers(0) && kernel_has().sa_handler == SIG_DFL);
	raise(SIGHUP);
}

static void none_means_none(void **state)
{
	(void)state;
	assert_int_equal(status_of(no_signal), KILLED_BY(SIGHUP));
}

static void found_at_start(void)
{
	struct sigaction action = {.sa_handler = plain_handler};

	tg_libc.sigaction(SIGHUP, &action, NULL);
	tg_signals_start(SIGHUP, report);
	CHECK(get().sa_handler == plain_handler);
	raise(SIGHUP);
	CHECK(calls == 1 && requests() == 1);
}

static void a_handler_set_before_the_start_counts(void **state)
{
	(void)state;
	assert_int_equal(status_of(found_at_start), EXITED_WELL);
}

static void info_and_mask(void)
{
	struct sigaction action = {.sa_flags = SA_SIGINFO}, real, old;
	union sigval value = {.sival_int = 7};

	tg_signals_start(SIGHUP, report);
	action.sa_sigaction = info_handler;
	sigaddset(&action.sa_mask, SIGUSR2);
	CHECK(tg_signals_set(SIGHUP, &action, NULL) == 0);
	real = kernel_has();
	CHECK(sigismember(&real.sa_mask, SIGUSR2));
	sigqueue(getpid(), SIGHUP, value);
	CHECK(calls == 1 && last_code == SI_QUEUE);
	CHECK(tg_signals_set(SIGHUP, &(struct sigaction){.sa_handler = SIG_IGN}, &old) == 0);
	CHECK(old.sa_sigaction == info_handler && old.sa_flags == SA_SIGINFO);
	CHECK(sigismember(&old.sa_mask, SIGUSR2) && !sigismember(&old.sa_mask, SIGUSR1));
	CHECK(get().sa_handler == SIG_IGN);
}

static void siginfo_mask_and_the_old_action_are_kept(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(info_and_mask), EXITED_WELL);
}

static void aliased(void)
{
	struct sigaction both = {.sa_handler = plain_handler};

	tg_signals_start(SIGHUP, report);
	CHECK(tg_signals_set(SIGHUP, &both, &both) == 0);
	CHECK(both.sa_handler == SIG_DFL && get().sa_handler == plain_handler);
}

static void new_and_old_may_be_one_structure(void **state)
{
	(void)state;
	assert_int_equal(status_of(aliased), EXITED_WELL);
}

static void default_before(void)
{
	tg_signals_start(SIGHUP, report);
	CHECK(kernel_has().sa_handler == SIG_DFL && get().sa_handler == SIG_DFL);
	raise(SIGHUP);
}

static void default_after(void)
{
	tg_signals_start(SIGHUP, report);
	tg_signals_serve();
	tg_signals_serve();
	CHECK(get().sa_handler == SIG_DFL && get().sa_flags == 0);
	errno = 5;
	raise(SIGHUP);
	kill(getpid(), SIGHUP);
	CHECK(errno == 5 && requests() == 2);
	set(plain_handler, 0);
	set(SIG_DFL, 0);
	raise(SIGHUP);
	CHECK(calls == 0 && requests() == 3 && get().sa_handler == SIG_DFL);
}

static void hang_up(void)
{
	tg_signals_start(SIGHUP, report);
	tg_signals_serve();
	raise_with_code(SI_KERNEL);
}

static void a_process_at_default_lives_once_it_serves(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(default_before), KILLED_BY(SIGHUP));
	assert_int_equal(requests(), 0);
	assert_int_equal(status_of(default_after), EXITED_WELL);
	assert_int_equal(status_of(hang_up), KILLED_BY(SIGHUP));
}

static void hang_up_handled(void)
{
	tg_signals_start(SIGHUP, report);
	tg_signals_serve();
	set(plain_handler, 0);
	raise_with_code(SI_KERNEL);
	CHECK(calls == 1);
	set(SIG_IGN, 0);
	raise_with_code(SI_KERNEL);
}

static void a_hang_up_that_the_program_takes_is_the_programs(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(hang_up_handled), EXITED_WELL);
}

static void ignored(void)
{
	tg_signals_start(SIGHUP, report);
	set(SIG_IGN, 0);
	CHECK(kernel_has().sa_handler == SIG_IGN);
	raise(SIGHUP);
	CHECK(requests() == 0);
	CHECK(!tg_signals_before_exec());
	tg_signals_serve();
	CHECK(kernel_has().sa_handler != SIG_IGN && get().sa_handler == SIG_IGN);
	CHECK(kernel_has().sa_flags & SA_RESTART);
	raise(SIGHUP);
	CHECK(requests() == 1);
	CHECK(tg_signals_before_exec());
	CHECK(kernel_has().sa_handler == SIG_IGN);
	tg_signals_exec_failed();
	CHECK(kernel_has().sa_handler != SIG_IGN);
	raise(SIGHUP);
	CHECK(requests() == 2);
	set(plain_handler, 0);
	CHECK(!tg_signals_before_exec());
}

static void inherited_ignore(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};

	tg_libc.sigaction(SIGHUP, &ignore, NULL);
	tg_signals_start(SIGHUP, report);
	CHECK(kernel_has().sa_handler == SIG_IGN && get().sa_handler == SIG_IGN);
	tg_signals_serve();
	CHECK(kernel_has().sa_handler != SIG_IGN && get().sa_handler == SIG_IGN);
}

static void an_ignored_signal_requests_once_it_serves(void **state)
{
	(void)state;
	assert_int_equal(status_of(ignored), EXITED_WELL);
	assert_int_equal(status_of(inherited_ignore), EXITED_WELL);
}

static void once_unserved(void)
{
	tg_signals_start(SIGHUP, report);
	set(plain_handler, SA_RESETHAND);
	raise(SIGHUP);
	CHECK(calls == 1 && requests() == 1 && get().sa_handler == SIG_DFL);
	raise(SIGHUP);
}

static void once_served(void)
{
	tg_signals_start(SIGHUP, report);
	tg_signals_serve();
	set(plain_handler, SA_RESETHAND);
	raise(SIGHUP);
	raise(SIGHUP);
	CHECK(calls == 1 && requests() == 2);
}

static void a_one_shot_handler_is_called_once(void **state)
{
	(void)state;
	assert_int_equal(status_of(once_unserved), KILLED_BY(SIGHUP));
	clear_requests(NULL);
	assert_int_equal(status_of(once_served), EXITED_WELL);
}

static jmp_buf jump;

static void jumping_handler(int number)
{
	longjmp(jump, number);
}

static void jumps(void)
{
	tg_signals_start(SIGHUP, report);
	set(jumping_handler, SA_NODEFER);
	for (volatile int i = 0; i < 3; i++)
		if (setjmp(jump) == 0)
			raise(SIGHUP);
	CHECK(requests() == 3);
}

static void a_handler_may_jump_away(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(jumps), EXITED_WELL);
}

static void gone_past(void)
{
	struct sigaction action = {.sa_handler = plain_handler};

	tg_signals_start(SIGHUP, report);
	tg_libc.sigaction(SIGHUP, &action, NULL);
	CHECK(get().sa_handler == plain_handler);
	tg_signals_serve();
	raise(SIGHUP);
	CHECK(calls == 1 && requests() == 1 && get().sa_handler == plain_handler);
}

static void a_handler_set_behind_our_back_is_found(void **state)
{
	(void)state;
	assert_int_equal(status_of(gone_past), EXITED_WELL);
}

static void vforked(void)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN};
	int status;
	pid_t child;

	tg_signals_start(SIGHUP, report);
	set(plain_handler, 0);
	/* NOLINTNEXTLINE(clang-analyzer-security.insecureAPI.vfork): what is tested */
	child = vfork();
	if (child == 0) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Vfork): what is tested */
		tg_signals_set(SIGHUP, &ignore, NULL);
		_exit(0);
	}
	waitpid(child, &status, 0);
	CHECK(get().sa_handler == plain_handler);
	raise(SIGHUP);
	CHECK(calls == 1);
}

static void a_vforked_child_changes_nothing_here(void **state)
{
	(void)state;
	skip_where_handlers_are_late();
	assert_int_equal(status_of(vforked), EXITED_WELL);
}

static _Atomic int stop;
static _Atomic unsigned first_calls, second_calls;

static void first(int number)
{
	(void)number;
	first_calls++;
}

static void second(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_signo != number)
		_exit(1);
	second_calls++;
}

static void *switch_handlers(void *argument)
{
	struct sigaction one = {.sa_handler = first, .sa_flags = SA_RESTART}, two = {.sa_flags = SA_SIGINFO};

	(void)argument;
	two.sa_sigaction = second;
	while (!stop) {
		tg_signals_set(SIGHUP, &one, NULL);
		tg_signals_set(SIGHUP, &two, NULL);
	}
	return NULL;
}

/* Two threads set handlers of both kinds while signals come: none is lost, none is called the other's way. */
static void threads(void)
{
	pthread_t setters[2];
	unsigned sent = 20000;

	tg_signals_start(SIGHUP, report);
	set(first, 0);
	for (int i = 0; i < 2; i++)
		CHECK(pthread_create(&setters[i], NULL, switch_handlers, NULL) == 0);
	for (unsigned i = 0; i < sent; i++)
		pthread_kill(pthread_self(), SIGHUP);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(setters[i], NULL);
	CHECK(requests() == sent && first_calls + second_calls == sent);
	CHECK(kernel_has().sa_handler != first);
}

static void threads_may_set_handlers_while_signals_come(void **state)
{
	(void)state;
	assert_int_equal(status_of(threads), EXITED_WELL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_handler_is_called_and_a_reload_requested, clear_requests),
	    cmocka_unit_test_setup(only_the_reload_signal_is_covered, clear_requests),
	    cmocka_unit_test_setup(none_means_none, clear_requests),
	    cmocka_unit_test_setup(a_handler_set_before_the_start_counts, clear_requests),
	    cmocka_unit_test_setup(siginfo_mask_and_the_old_action_are_kept, clear_requests),
	    cmocka_unit_test_setup(new_and_old_may_be_one_structure, clear_requests),
	    cmocka_unit_test_setup(a_process_at_default_lives_once_it_serves, clear_requests),
	    cmocka_unit_test_setup(a_hang_up_that_the_program_takes_is_the_programs, clear_requests),
	    cmocka_unit_test_setup(an_ignored_signal_requests_once_it_serves, clear_requests),
	    cmocka_unit_test_setup(a_one_shot_handler_is_called_once, clear_requests),
	    cmocka_unit_test_setup(a_handler_may_jump_away, clear_requests),
	    cmocka_unit_test_setup(a_handler_set_behind_our_back_is_found, clear_requests),
	    cmocka_unit_test_setup(a_vforked_child_changes_nothing_here, clear_requests),
	    cmocka_unit_test_setup(threads_may_set_handlers_while_signals_come, clear_requests),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
