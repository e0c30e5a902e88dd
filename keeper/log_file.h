/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the log, whose folder may belong to the server's user.
 *
 * The keeper often has root's rights, and whoever owns a folder decides what lies under a name in it: a link to any file of
 * the system, a FIFO that nobody reads, another name of somebody's file. So each folder on the way is opened by itself.
 * A symbolic link is followed only where root or the keeper's user made it, in a folder that nobody else can write to. In
 * any other folder the log must be a regular file with one name that belongs to root or to the keeper's user.
 */
#ifndef TG_KEEPER_LOG_FILE_H
#define TG_KEEPER_LOG_FILE_H

/*
 * Opens `path`, absolute, for appending; made where it is not there, with mode 0640. Returns a descriptor, or a negative
 * errno with *ret_reason why, in words.
 */
int tg_log_file_open(const char *path, const char **ret_reason);

#endif
