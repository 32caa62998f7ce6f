/** What a panel shows when it has nothing to show: still loading, nothing there, or it failed. */

import { CircleAlert, LoaderCircle, type LucideIcon, RotateCw } from "lucide-react";
import type { ReactNode } from "react";
import { explain } from "../platform/errors";

export function Loading({ what }: { what: string }) {
  return (
    <p className="state" role="status">
      <LoaderCircle className="spin" aria-hidden />
      Loading {what}…
    </p>
  );
}

export function Empty({ icon: Icon, title, children }: { icon: LucideIcon; title: string; children?: ReactNode }) {
  return (
    <div className="state empty">
      <Icon aria-hidden />
      <p className="state-title">{title}</p>
      {children && <p>{children}</p>}
    </div>
  );
}

export function Failure({ what, error, retry }: { what: string; error: unknown; retry: () => void }) {
  return (
    <div className="state failure" role="alert">
      <CircleAlert aria-hidden />
      <p className="state-title">{what} could not be loaded</p>
      <p>{explain(error)}</p>
      <button type="button" className="button" onClick={retry}>
        <RotateCw aria-hidden /> Try again
      </button>
    </div>
  );
}
