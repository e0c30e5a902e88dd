/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a tree: an abstract SOCK_SEQPACKET socket named "\0tlsgraft/<tree>" (unix(7)). It is abstract, so
 * that no writable folder is needed. It is bound in the network namespace of the process that the tree was started for.
 *
 * Each connection carries one request. Both sides check the kernel's peer credentials (SO_PEERCRED in unix(7)).
 *
 *   HELLO           from the constructor of an attached process. The guardian answers with a tg_hello_reply and two file
 *                   descriptors: policy, then report.
 *   LEAVE           from an attached process that cannot read this keeper's layout and now has a tree of its own. There is
 *                   no answer.
 *   STATUS, RELOAD  from the command line. The guardian passes the connection to the worker, which answers with one JSON
 *                   text in packets of at most TG_CHANNEL_PACKET bytes and then closes the stream.
 *
 * No function keeps state. All may be called from any thread; none may be called from a signal handler.
 */
#ifndef TG_IPC_CHANNEL_H
#define TG_IPC_CHANNEL_H

#include "ipc/layout.h"

#include <stdint.h>
#include <sys/types.h>

#define TG_CHANNEL_MAGIC 0x68637467u /* "gtch" */
#define TG_CHANNEL_PACKET 32768

enum tg_request_kind { TG_REQUEST_HELLO = 1, TG_REQUEST_STATUS = 2, TG_REQUEST_RELOAD = 3, TG_REQUEST_LEAVE = 4 };

struct tg_request {
	uint32_t magic;
	uint32_t layout; /* the memory layout that the attached process can read */
	uint32_t kind;
};

enum tg_hello_status {
	TG_HELLO_OK = 1,
	TG_HELLO_NOT_ALLOWED = 2, /* this user, by its peer credentials, may not have the keys */
	TG_HELLO_LAYOUT = 3,      /* this keeper uses another layout */
};

struct tg_hello_reply {
	uint32_t magic;
	uint32_t status;
};

/* A new keeper writes this to the pipe of the process that started it, then `length` bytes of text for its stderr. */
struct tg_start_result {
	uint32_t magic;
	uint32_t exit_status; /* 0: ready; 78: the file is bad; 70: other */
	char tree[TG_TREE_LENGTH + 1];
	uint32_t length;
};

/*
 * tg_channel_listen and tg_channel_connect return a close-on-exec file descriptor that the caller closes; the other two
 * return 0. All return a negative errno on failure. `timeout_ms` limits each wait, in milliseconds.
 *
 * tg_channel_peer reads the peer's credentials of a connection. tg_channel_owner names the user who listens, without a
 * connection. tg_channel_connect returns -EPERM if the backlog is full and the socket that listens belongs neither to root
 * nor to this process's user: such a socket is not a keeper, so waiting for it would be useless.
 */
int tg_channel_listen(const char *tree);
int tg_channel_connect(const char *tree, int timeout_ms);
int tg_channel_peer(int fd, uid_t *ret_uid, pid_t *ret_pid);
int tg_channel_owner(const char *tree, uid_t *ret_uid);

/*
 * Performs the whole HELLO exchange of an attached process. It connects, checks that the keeper runs as root or as this
 * process's effective user, sends the request, and returns both file descriptors, which the caller closes. It tries again
 * if the keeper closes the connection without an answer. If the keeper uses another layout, it sends a second request for
 * the layout before this one, which readers can still read (layout.h).
 *
 * Returns 0, or: -EPERM: the keeper runs as another user. -EACCES: the keeper does not give this user the keys.
 * -EPROTONOSUPPORT: the keeper uses neither layout. -EPROTO: the answer is malformed. -ECONNREFUSED or -ENOENT: no keeper
 * listens. Keeps errno and touches no other file descriptor.
 */
int tg_channel_hello(const char *tree, int timeout_ms, int *ret_policy_fd, int *ret_report_fd);

/*
 * Sends LEAVE: the keeper must no longer wait for the end of this process, whose pid it may know from before an exec.
 * Waits for no answer, ignores failures, and keeps errno.
 */
void tg_channel_leave(const char *tree, int timeout_ms);

/*
 * Send and receive one packet with up to two file descriptors. tg_channel_receive sets missing ones to -1; the caller
 * closes those that it received. Both return the number of bytes, or a negative errno.
 */
ssize_t tg_channel_send(int fd, const void *data, size_t size, const int *fds, int fd_count);
ssize_t tg_channel_receive(int fd, void *data, size_t size, int *ret_fds, int fd_capacity);

#endif
