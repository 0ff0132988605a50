/* cfcfs --check and cfcfs --schema: what needs neither an account nor a mount. */
#pragma once

#include <stdbool.h>

/* Whether the arguments ask for one of the two. */
bool check_is_asked(int argc, char **argv);
/* Does it. The program's exit status: 0 all is well, 1 a document has a fault, 2 it cannot be looked at, or usage. */
int check_main(int argc, char **argv);
