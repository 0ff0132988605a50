/* A directory's listing as one opener sees it. */
#pragma once

struct dir_listing;
struct dir_listing *dir_listing_free(struct dir_listing *l);
