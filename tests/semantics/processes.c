/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections that several processes have.
 */
#include "situations.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char buffer[4096];
static char cat[] = "cat", nothing[] = "true";
static char *const cat_words[] = {cat, NULL}, *const true_words[] = {nothing, NULL};

static pid_t by_fork(void)
{
	return fork();
}

static pid_t by_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void ended(struct test *t, pid_t pid)
{
	int status = 0;

	waitpid(pid, &status, 0);
	note(t, "child: %d", status);
}

/* A process for each connection. */
static void child_serves(struct test *t, pid_t (*make)(void))
{
	connect_cold(t, 0);
	begin(t, STEP_SEND, 20, 1);
	begin(t, STEP_RECEIVE, 6, 0);
	const pid_t pid = make();
	if (pid == 0) {
		CALL(t, read(t->fd, buffer, 20));
		note_bytes(t, buffer, 20);
		CALL(t, write(t->fd, "answer", 6));
		CALL(t, close(t->fd));
		_exit(0);
	}
	close(t->fd);
	ended(t, pid);
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
	client_reads_to_end(t);
}

static void fork_child_serves(struct test *t)
{
	child_serves(t, by_fork);
}

static void clone_child_serves(struct test *t)
{
	child_serves(t, by_clone);
}

/* After the parent has used it. */
static void child_goes_on(struct test *t, pid_t (*make)(void))
{
	connect_warm(t, 0);
	client_sends(t, 30);
	CALL(t, read(t->fd, buffer, 10));
	CALL(t, write(t->fd, "parent", 6));
	client_receives(t, 6);
	const pid_t pid = make();
	if (pid == 0) {
		CALL(t, read(t->fd, buffer, 100));
		note_bytes(t, buffer, 20);
		CALL(t, write(t->fd, "child", 5));
		CALL(t, close(t->fd));
		_exit(0);
	}
	close(t->fd);
	ended(t, pid);
	client_receives(t, 5);
	client_reads_to_end(t);
}

static void fork_child_goes_on(struct test *t)
{
	child_goes_on(t, by_fork);
}

static void clone_child_goes_on(struct test *t)
{
	child_goes_on(t, by_clone);
}

/* A child that has nothing to do with it, and ends without a word. */
static void child_ignores(struct test *t, pid_t (*make)(void), bool orderly)
{
	connect_warm(t, 0);
	client_sends(t, 30);
	CALL(t, read(t->fd, buffer, 10));
	const pid_t pid = make();
	if (pid == 0) {
		if (orderly)
			exit(0);
		_exit(0);
	}
	ended(t, pid);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "parent", 6));
	client_receives(t, 6);
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

static void fork_child_ignores(struct test *t)
{
	child_ignores(t, by_fork, false);
}

static void fork_child_exits(struct test *t)
{
	child_ignores(t, by_fork, true);
}

static void clone_child_ignores(struct test *t)
{
	child_ignores(t, by_clone, false);
}

/* It closes what it inherited, as a master's other children do. */
static void child_closes(struct test *t)
{
	connect_warm(t, 0);
	const pid_t pid = fork();
	if (pid == 0) {
		CALL(t, close(t->fd));
		_exit(0);
	}
	ended(t, pid);
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "parent", 6));
	client_receives(t, 6);
	CALL(t, close(t->fd));
	client_reads_to_end(t);
}

/* Who accepted it ends, and so does who was forked from that; a process that was forked from it has it alone. */
static void parent_ends(struct test *t)
{
	int go[2], gone[2];
	char byte;

	connect_warm(t, 0);
	if (pipe(go) < 0 || pipe(gone) < 0)
		return;
	const pid_t pid = fork();
	if (pid == 0) {
		if (fork() != 0)
			_exit(0);
		CALL(t, read(go[0], &byte, 1));
		client_sends(t, 10);
		CALL(t, read(t->fd, buffer, 100));
		CALL(t, write(t->fd, "grandchild", 10));
		client_receives(t, 10);
		CALL(t, close(t->fd));
		client_reads_to_end(t);
		_exit(0);
	}
	close(t->fd);
	ended(t, pid);
	close(gone[1]);
	if (write(go[1], "x", 1) == 1 && read(gone[0], &byte, 1) != 0)
		note(t, "the pipe does not end");
}

static void killed_child(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 10);
	const pid_t pid = fork();
	if (pid == 0) {
		CALL(t, read(t->fd, buffer, 100));
		raise(SIGKILL);
	}
	close(t->fd);
	ended(t, pid);
	client_reads_to_end(t);
}

static void exits_without_close(struct test *t)
{
	connect_warm(t, 0);
	const pid_t pid = fork();
	if (pid == 0) {
		CALL(t, write(t->fd, "last words", 10));
		exit(0);
	}
	close(t->fd);
	ended(t, pid);
	client_reads_to_end(t);
}

static void leaves_without_close(struct test *t)
{
	connect_warm(t, 0);
	const pid_t pid = fork();
	if (pid == 0) {
		CALL(t, write(t->fd, "last words", 10));
		_exit(0);
	}
	close(t->fd);
	ended(t, pid);
	client_reads_to_end(t);
}

/* Both want it: the one after the other. */
static void both_use_it(struct test *t)
{
	connect_warm(t, 0);
	client_sends(t, 20);
	const pid_t pid = fork();
	if (pid == 0) {
		CALL(t, read(t->fd, buffer, 10));
		CALL(t, write(t->fd, "child", 5));
		_exit(0);
	}
	ended(t, pid);
	CALL(t, read(t->fd, buffer, 10));
	CALL(t, write(t->fd, "parent", 6));
	CALL(t, close(t->fd));
}

/* The epoll descriptor is made before, by a parent that hands all over. */
static void epoll_in_child(struct test *t)
{
	connect_warm(t, SOCK_NONBLOCK);
	const pid_t pid = fork();
	if (pid == 0) {
		const int epoll = new_epoll(t, EPOLLIN);

		note_epoll(t, epoll, 0);
		client_sends(t, 30);
		note_epoll(t, epoll, 1000);
		CALL(t, read(t->fd, buffer, 10));
		note_epoll(t, epoll, 1000);
		CALL(t, read(t->fd, buffer, 100));
		note_epoll(t, epoll, 0);
		_exit(0);
	}
	ended(t, pid);
}

extern char **environ;

/* cat(1), which inherits it as 0 and 1. */
static pid_t start_cat(int fd)
{
	const pid_t pid = fork();

	if (pid == 0) {
		dup2(fd, 0);
		dup2(fd, 1);
		if (fd > 1)
			close(fd);
		execvp(cat, cat_words);
		_exit(127);
	}
	return pid;
}

static void begin_echo(struct test *t)
{
	begin(t, STEP_SEND, 50, 1);
	begin(t, STEP_HALF, 0, 0);
	begin(t, STEP_RECEIVE, UINT32_MAX, 0);
}

/* The steps were begun by the process that the program took the place of. */
static void echoed_in_place(struct test *t, pid_t pid)
{
	t->asked = 4;
	ended(t, pid);
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
}

static void echo_by(struct test *t, pid_t pid)
{
	close(t->fd);
	begin_echo(t);
	ended(t, pid);
	const struct answer answer = finish(t);
	note_answer(t, "client", &answer);
}

static void exec_untouched(struct test *t)
{
	connect_cold(t, 0);
	echo_by(t, start_cat(t->fd));
}

static void spawn_untouched(struct test *t)
{
	posix_spawn_file_actions_t actions;
	pid_t pid = -1;

	connect_cold(t, 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, t->fd, 0);
	posix_spawn_file_actions_adddup2(&actions, t->fd, 1);
	note(t, "spawn: %d", posix_spawnp(&pid, cat, &actions, NULL, cat_words, environ));
	echo_by(t, pid);
	posix_spawn_file_actions_destroy(&actions);
}

/* In place, as nc -c does. */
static void exec_in_place(struct test *t)
{
	const pid_t pid = fork();

	if (pid == 0) {
		connect_cold(t, 0);
		begin_echo(t);
		if (dup2(t->fd, 0) != 0 || dup2(t->fd, 1) != 1)
			_exit(1);
		close(t->fd);
		execvp(cat, cat_words);
		_exit(127);
	}
	echoed_in_place(t, pid);
}

/* As in place, by numbers that the kernel gives because they are free; `accepts`: to the connection itself. */
static void exec_onto_free(struct test *t, bool accepts)
{
	const pid_t pid = fork();

	if (pid == 0) {
		if (accepts)
			close(0);
		connect_cold(t, 0);
		begin_echo(t);
		if (!accepts)
			close(0);
		close(1);
		if (!accepts && dup(t->fd) != 0)
			_exit(1);
		if (fcntl(t->fd, F_DUPFD, 0) != 1)
			_exit(2);
		if (t->fd > 1)
			close(t->fd);
		execvp(cat, cat_words);
		_exit(127);
	}
	echoed_in_place(t, pid);
}

static void exec_in_free_place(struct test *t)
{
	exec_onto_free(t, false);
}

static void exec_accepted_there(struct test *t)
{
	exec_onto_free(t, true);
}

static void exec_after_use(struct test *t)
{
	connect_warm(t, 0);
	CALL(t, write(t->fd, "hello", 5));
	client_receives(t, 5);
	echo_by(t, start_cat(t->fd));
}

/* Close-on-exec: nothing is handed over, and the connection goes on here. */
static void exec_beside(struct test *t)
{

	connect_warm(t, SOCK_CLOEXEC);
	const pid_t pid = fork();
	if (pid == 0) {
		execvp(nothing, true_words);
		_exit(127);
	}
	ended(t, pid);
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "parent", 6));
	client_receives(t, 6);
}

static void vfork_beside(struct test *t)
{
	connect_warm(t, SOCK_CLOEXEC);
	note(t, "system: %d", system("true"));
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "parent", 6));
	client_receives(t, 6);
}

/* An exec that fails leaves everything as it was. */
static void exec_fails(struct test *t)
{

	connect_warm(t, 0);
	client_sends(t, 10);
	CALL(t, read(t->fd, buffer, 4));
	CALL(t, execv("/nonexistent", cat_words));
	CALL(t, read(t->fd, buffer, 100));
	CALL(t, write(t->fd, "still here", 10));
	client_receives(t, 10);
}

const struct single singles_processes[] = {
    {"fork_child_serves", fork_child_serves},
    {"clone_child_serves", clone_child_serves},
    {"fork_child_goes_on", fork_child_goes_on},
    {"clone_child_goes_on", clone_child_goes_on},
    {"fork_child_ignores", fork_child_ignores},
    {"fork_child_exits", fork_child_exits},
    {"clone_child_ignores", clone_child_ignores},
    {"fork_child_closes", child_closes},
    {"fork_parent_ends", parent_ends},
    {"fork_killed_child", killed_child},
    {"fork_exits_without_close", exits_without_close},
    {"fork_leaves_without_close", leaves_without_close},
    {"fork_both_use_it", both_use_it},
    {"fork_epoll_in_child", epoll_in_child},
    {"exec_untouched", exec_untouched},
    {"exec_spawned", spawn_untouched},
    {"exec_in_place", exec_in_place},
    {"exec_in_free_place", exec_in_free_place},
    {"exec_accepted_there", exec_accepted_there},
    {"exec_after_use", exec_after_use},
    {"exec_beside", exec_beside},
    {"exec_by_system", vfork_beside},
    {"exec_fails", exec_fails},
    {0},
};
