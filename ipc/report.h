/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report memory: attached processes write it, the keeper reads it.
 *
 * Writers use relaxed atomics only, so any number of threads and processes may write at once. Once the memory is mapped, no
 * writing function makes a system call, and none can fail in a way that affects a handshake. tg_report_request_reload is
 * async-signal-safe. Functions that return int return 0 or a negative errno, unless stated otherwise.
 */
#ifndef TG_IPC_REPORT_H
#define TG_IPC_REPORT_H

#include "ipc/layout.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Keeper: makes the report memfd of `tree`, sealed SHRINK | GROW | SEAL. Only the keeper and the relay hold this file
 * descriptor; attached processes get one from tg_report_share.
 */
int tg_report_create(const char *tree, int *ret_fd);

/*
 * Keeper: returns a new file descriptor for one attached process, or a negative errno. tg_report_abandoned counts the
 * process for as long as it keeps the file descriptor or a mapping made with it.
 */
int tg_report_share(int fd);

/*
 * Keeper: true if no process has a file descriptor from tg_report_share, or a mapping made with one. The function requests
 * a read lease and returns it at once: the kernel grants one only if nobody has the file open for writing (F_SETLEASE in
 * fcntl(2)). If the system has leases turned off (fs.leases-enable), the result is always false.
 */
bool tg_report_abandoned(int fd);

/*
 * Attached processes map the memory writable. The page of the layout before this one is shorter: the missing end is then
 * private memory of the process. The keeper maps it read-only, so that its own mapping does not count in
 * tg_report_abandoned. The caller releases the mapping with tg_report_unmap.
 */
int tg_report_map(int fd, bool writable, struct tg_report_page **ret_page);
void tg_report_unmap(struct tg_report_page *page);

/* For attached processes, down to tg_report_ungoverned. Slots belong to the page and are valid while it is mapped. */
void tg_report_request_reload(struct tg_report_page *page);
void tg_report_process(struct tg_report_page *page, uint32_t pid, uint64_t generation);
struct tg_section_slot *tg_report_section(struct tg_report_page *page, const char *name); /* NULL: table full */
void tg_report_accepted(struct tg_section_slot *slot, bool resumed);
/* `slot` is in `page`, or NULL. A page of the layout before has no room for newer reasons: they count as "other". */
void tg_report_refused(struct tg_report_page *page, struct tg_section_slot *slot, enum tg_refusal reason);
void tg_report_aborted(struct tg_section_slot *slot);
/* For a listener whose server speaks plaintext. `slot` is that of its section in `page`, or NULL. */
void tg_report_plaintext(struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_plaintext_event event);
/*
 * Records that the server of this section passes connections in use to other processes. Only the relay can serve those, so
 * `engine = auto` uses the relay for new connections after the first such report.
 */
void tg_report_moves(struct tg_report_page *page, const struct tg_section_slot *slot);
bool tg_report_has_moved(const struct tg_report_page *page, const struct tg_section_slot *slot);
/* Counts a handshake whose client offered ALPN and got no protocol in reply. `slot` is in `page`, or NULL. */
void tg_report_alpn_unanswered(struct tg_report_page *page, const struct tg_section_slot *slot);
/* The report distinguishes at most this many addresses of one port; further ones are counted as the port at any address. */
#define TG_UNGOVERNED_ALIKE 6u
void tg_report_ungoverned(struct tg_report_page *page, uint16_t family, const unsigned char address[16], uint16_t port);

/* The number of clients refused for `reason`. `slot` is in `page`, or NULL. */
uint64_t tg_report_refusals(const struct tg_report_page *page, const struct tg_section_slot *slot, enum tg_refusal reason);

#endif
