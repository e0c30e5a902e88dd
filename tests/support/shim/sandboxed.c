/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandboxed PORT CERT KEY WAY CONDITION...: a TLS server that takes away from itself what servers do, then answers each
 * connection with "sandboxed-data". WAY: how it serves; each CONDITION is met in its turn before the first accept.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define ROOM                                                                                                               \
	(64ul << 20) /* bytes of address space beyond what is mapped: dovecot and vsftpd leave themselves as little        \
		      */
#define SLOTS 16     /* of ex_data, never asked for: FreeRADIUS writes to such ones */

static const char *cert, *key;
static SSL_CTX *shared;
static int listener;
static char rubbish[] = "not a pointer of anybody's";

static SSL_CTX *context(void)
{
	SSL_CTX *made = SSL_CTX_new(TLS_server_method());

	if (!made || SSL_CTX_use_certificate_chain_file(made, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(made, key, SSL_FILETYPE_PEM) != 1)
		abort();
	SSL_CTX_set_session_id_context(made, (const unsigned char *)"sandboxed", 9);
	return made;
}

static void serve(SSL_CTX *from, int fd, int squat)
{
	static const char data[] = "sandboxed-data\n";
	char request[256];
	SSL *ssl = SSL_new(from);

	for (int slot = 0; squat && slot < SLOTS; slot++) {
		SSL_set_ex_data(ssl, slot, rubbish);
		SSL_CTX_set_ex_data(from, slot, rubbish);
	}
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, sizeof(request)) > 0) {
		SSL_write(ssl, data, sizeof(data) - 1);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	shutdown(fd, SHUT_WR);
	close(fd);
}

static void *serve_in_thread(void *arg)
{
	serve(shared, *(int *)arg, 0);
	free(arg);
	return NULL;
}

static void one(const char *way, int fd)
{
	if (strcmp(way, "fork") == 0 || strcmp(way, "clone") == 0) {
		/* As vsftpd does: no fork handler of the C library runs. */
		pid_t child = *way == 'f' ? fork() : (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
		if (child == 0) {
			serve(shared, fd, 0);
			_exit(0);
		}
		if (child < 0)
			perror(way);
		close(fd);
	} else if (strcmp(way, "thread") == 0) {
		pthread_t thread;
		int *copy = malloc(sizeof(*copy));
		*copy = fd;
		if (pthread_create(&thread, NULL, serve_in_thread, copy) == 0)
			pthread_detach(thread);
	} else if (strcmp(way, "context") == 0) {
		SSL_CTX *own = context();
		serve(own, fd, 0);
		SSL_CTX_free(own);
	} else {
		serve(shared, fd, strcmp(way, "squat") == 0);
	}
}

static unsigned long mapped_bytes(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "r");

	if (!statm || fscanf(statm, "%lu", &pages) != 1)
		abort();
	fclose(statm);
	return pages * (unsigned long)sysconf(_SC_PAGESIZE);
}

static int limit(int which, unsigned long to)
{
	return setrlimit(which, &(const struct rlimit){to, to});
}

/* What a server needs that reads, writes and allocates. Anything else ends the process. */
static int filter(void)
{
	static const unsigned allowed[] = {
	    SYS_read,      SYS_write,  SYS_accept,     SYS_close,        SYS_shutdown,        SYS_brk,
	    SYS_mmap,      SYS_munmap, SYS_mremap,     SYS_madvise,      SYS_mprotect,        SYS_futex,
	    SYS_getrandom, SYS_getpid, SYS_exit_group, SYS_rt_sigreturn, SYS_restart_syscall,
	};
	enum { COUNT = sizeof(allowed) / sizeof(allowed[0]) };
	struct sock_filter code[COUNT + 3];
	const struct sock_fprog program = {COUNT + 3, code};

	code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < COUNT; i++)
		code[i + 1] =
		    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], (unsigned char)(COUNT - i), 0);
	code[COUNT + 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	code[COUNT + 2] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int meet(const char *condition)
{
	if (strcmp(condition, "descriptors") == 0)
		return (listener > 3 && close_range(3, (unsigned)listener - 1, 0)) ||
		       close_range((unsigned)listener + 1, ~0U, 0);
	if (strcmp(condition, "environ") == 0)
		return clearenv();
	if (strcmp(condition, "chroot") == 0)
		return chroot("/var/empty") && chroot("/usr/share/empty") && chroot("/mnt");
	if (strcmp(condition, "user") == 0)
		return setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY);
	if (strcmp(condition, "nproc") == 0)
		return limit(RLIMIT_NPROC, 0);
	if (strcmp(condition, "nofile") == 0) /* the connection's, and not one more */
		return limit(RLIMIT_NOFILE, (unsigned)listener + 2);
	if (strcmp(condition, "as") == 0)
		return limit(RLIMIT_AS, mapped_bytes() + ROOM);
	if (strcmp(condition, "no_new_privs") == 0)
		return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (strcmp(condition, "seccomp") == 0)
		return filter();
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int on = 1;

	if (argc < 5)
		return 64;
	address.sin_port = htons((uint16_t)atoi(argv[1]));
	cert = argv[2];
	key = argv[3];
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_IGN);
	shared = context();
	listener = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) || listen(listener, 64)) {
		perror("listen");
		return 1;
	}
	for (int i = 5; i < argc; i++) {
		if (meet(argv[i])) {
			perror(argv[i]);
			return 1;
		}
	}
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd >= 0)
			one(argv[4], fd);
	}
}
