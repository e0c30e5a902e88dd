/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a tree: abstract, SOCK_SEQPACKET, named "\0tlsgraft/<tree>" (unix(7)). Abstract, so that no
 * writable folder is needed; bound in the network namespace of the process that the tree was started for.
 *
 * One request for each connection. Both sides check the kernel's peer credentials.
 *   HELLO    an attached process's constructor: answered by the guardian with a tg_hello_reply and two descriptors, policy
 * then report. LEAVE    an attached process that cannot read this keeper's layout and has a tree of its own now: not
 * answered. STATUS, RELOAD the command line: handed to the worker, answered with one JSON text in packets of at most
 *            TG_CHANNEL_PACKET bytes, then the end of the stream.
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
	TG_HELLO_NOT_ALLOWED = 2, /* the kernel says that this user may not hold the keys */
	TG_HELLO_LAYOUT = 3,      /* this keeper speaks another layout */
};

struct tg_hello_reply {
	uint32_t magic;
	uint32_t status;
};

/* What a keeper just started tells its starter over the pipe: this header, then `length` bytes of text for stderr. */
struct tg_start_result {
	uint32_t magic;
	uint32_t exit_status; /* 0: ready; 78: the file is bad; 70: other */
	char tree[TG_TREE_LENGTH + 1];
	uint32_t length;
};

/*
 * All return a descriptor (close-on-exec) or 0, or a negative errno. `timeout_ms` bounds each wait. -EPERM of connect: the
 * queue is full, and it is the queue of another user than root and this process's. Otherwise who listens is told by
 * tg_channel_peer once there is a connection, and by tg_channel_owner without one.
 */
int tg_channel_listen(const char *tree);
int tg_channel_connect(const char *tree, int timeout_ms);
int tg_channel_peer(int fd, uid_t *ret_uid, pid_t *ret_pid);
int tg_channel_owner(const char *tree, uid_t *ret_uid);

/*
 * An attached process's whole conversation: connects, checks that the keeper runs as root or as this process's effective
 * user
 * (-EPERM otherwise), asks, again where it is hung up on, and returns both descriptors. A keeper that speaks another layout
 * is asked once more, for the layout before this one, which readers know too (layout.h). -EACCES: not allowed;
 * -EPROTONOSUPPORT: neither layout; -EPROTO: no sense in the answer; -ECONNREFUSED or -ENOENT: no such keeper. Leaves errno
 * and all other descriptors alone.
 */
int tg_channel_hello(const char *tree, int timeout_ms, int *ret_policy_fd, int *ret_report_fd);

/*
 * Tells the keeper that this process, whose id it may know from before an exec, is no more one of its tree: it shall not
 * wait for its end. Without an answer; errno is kept.
 */
void tg_channel_leave(const char *tree, int timeout_ms);

/* Sends `data` with up to two descriptors; receives likewise (missing ones are -1). */
ssize_t tg_channel_send(int fd, const void *data, size_t size, const int *fds, int fd_count);
ssize_t tg_channel_receive(int fd, void *data, size_t size, int *ret_fds, int fd_capacity);

#endif
