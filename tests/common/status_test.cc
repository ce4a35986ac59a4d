#include "common/status.h"

#include <cerrno>
#include <memory>

#include <gtest/gtest.h>

namespace adit {
namespace {

TEST(Status, KeepsOperationObjectAndErrno) {
  const absl::Status status = ErrnoStatus(EACCES, "open /dev/net/tun");
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(MessageOf(status), "open /dev/net/tun: Permission denied");
  EXPECT_EQ(ErrnoOf(status), EACCES);
  EXPECT_EQ(ErrnoOf(ErrnoStatus(ENOSPC, "write")), ENOSPC);
  EXPECT_EQ(ErrnoOf(InvalidArgument("no errno")), 0);
  EXPECT_EQ(ErrnoOf(absl::OkStatus()), 0);
  EXPECT_TRUE(ErrnoStatus(0, "nothing").ok());
}

TEST(Status, AnnotateKeepsCodeAndErrnoAndLeavesOkAlone) {
  const absl::Status status = Annotate(ErrnoStatus(EBUSY, "bind [::]:51820"), "start shard 0");
  EXPECT_EQ(ErrnoOf(status), EBUSY);
  EXPECT_EQ(status.code(), ErrnoStatus(EBUSY, "x").code());
  EXPECT_EQ(MessageOf(status), "start shard 0: bind [::]:51820: Device or resource busy");
  EXPECT_TRUE(Annotate(absl::OkStatus(), "prefix").ok());
}

TEST(Status, EachMakerHasItsCode) {
  EXPECT_EQ(InvalidArgument("m").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FailedPrecondition("m").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(NotFound("m").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(AlreadyExists("m").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Unavailable("m").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(PermissionDenied("m").code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Aborted("m").code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Internal("m").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(ResourceExhausted("m").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(DataLoss("m").code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(MessageOf(DataLoss("what was lost")), "what was lost");
}

absl::StatusOr<std::unique_ptr<int>> Half(int number) {
  if (number % 2 != 0) {
    return InvalidArgument("odd");
  }
  return std::make_unique<int>(number / 2);
}
absl::Status Quarter(int number, int& out) {
  ASSIGN_OR_RETURN(const std::unique_ptr<int> half, Half(number));
  ASSIGN_OR_RETURN(const auto quarter, Half(*half));
  out = *quarter;
  return absl::OkStatus();
}
absl::Status Checked(int number, int& out) {
  RETURN_IF_ERROR(Quarter(number, out));
  out += 100;
  return absl::OkStatus();
}

TEST(Status, TheMacrosReturnTheFirstErrorAndMoveValues) {
  int out = 0;
  EXPECT_TRUE(Checked(12, out).ok());
  EXPECT_EQ(out, 103);
  EXPECT_EQ(Checked(6, out).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(out, 103);
}

}  // namespace
}  // namespace adit
