/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guardian: holds the memories and the control socket, answers HELLO, restarts the worker, and ends with the tree.
 * It parses no file and looks into no memory that others write.
 */
#ifndef TG_KEEPER_GUARDIAN_H
#define TG_KEEPER_GUARDIAN_H

#include "keeper/keeper.h"

/* Returns the exit status when the tree has ended or could not be started; the starter has been told by then. */
int tg_guardian_run(struct tg_keeper *keeper);

#endif
