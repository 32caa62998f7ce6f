import { CircleCheck, TriangleAlert } from "lucide-react";

/** Whether somebody is always on call. */
export function Coverage({ missing }: { missing: number }) {
  if (missing === 0) {
    return (
      <span className="badge good">
        <CircleCheck aria-hidden /> no gaps
      </span>
    );
  }
  return (
    <span className="badge bad">
      <TriangleAlert aria-hidden /> {missing === 1 ? "1 gap" : `${missing} gaps`} ahead
    </span>
  );
}
