#include "situations.h"

const struct single singles_ends[] = {
    {0},
};
