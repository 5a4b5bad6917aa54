// The files and the directory of segments: whom they belong to, and how they come into being.
#pragma once

#include <sys/stat.h>

#include <string>

#include "engine.h"

namespace stockpile {

/** 1 to 64 of [A-Za-z0-9._-], no leading dot: never a path. */
bool checkName(const std::string& name, Failure& failure);
/** With layout version and architecture: each has segments of its own, so that a rolling deploy can hold both. */
std::string fileNameOf(const std::string& name);
/** Makes it 0700 if asked; refuses one that is not ours, or that others may write to. */
bool prepareDirectory(const std::string& directory, bool make, Failure& failure);
/** A regular file of this user that nobody else may open, with one name. */
bool isTrusted(const struct stat& file, const std::string& path, Failure& failure);
/** A new 0600 file without a name, else with a random `temporary` one. */
int openUnnamed(const std::string& directory, std::string& temporary, Failure& failure);
/** All bytes of the file, so that touching them never fails. */
bool reserveBytes(int fd, u64 bytes, const std::string& directory, Failure& failure);
/** `taken`: there is one of that name. */
bool giveName(int fd, const std::string& temporary, const std::string& path, Failure& failure, bool& taken);

}  // namespace stockpile
