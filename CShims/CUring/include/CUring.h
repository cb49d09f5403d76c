// liburing 2.3 and what Swift cannot import of it. Imported by the Loop floor only.
#pragma once
#include <liburing.h>
