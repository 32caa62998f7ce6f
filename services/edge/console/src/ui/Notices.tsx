/** Short notices about what the reader just did. Failures stay until they are closed. */

import { CircleAlert, CircleCheck, X } from "lucide-react";
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from "react";
import { explain } from "../platform/errors";

interface Notice {
  id: number;
  failed: boolean;
  text: string;
}

interface Notices {
  done: (text: string) => void;
  failed: (what: string, error: unknown) => void;
}

const SHOWN_FOR = 5000;
const Context = createContext<Notices>({ done: () => {}, failed: () => {} });

export function useNotices(): Notices {
  return useContext(Context);
}

export function NoticesProvider({ children }: { children: ReactNode }) {
  const [notices, setNotices] = useState<Notice[]>([]);
  const close = useCallback((id: number) => setNotices((shown) => shown.filter((notice) => notice.id !== id)), []);
  const show = useCallback(
    (failed: boolean, text: string) => {
      const id = performance.now();
      setNotices((shown) => [...shown.slice(-3), { id, failed, text }]);
      if (!failed) setTimeout(() => close(id), SHOWN_FOR);
    },
    [close],
  );
  const value = useMemo<Notices>(
    () => ({ done: (text) => show(false, text), failed: (what, error) => show(true, `${what}: ${explain(error)}`) }),
    [show],
  );
  return (
    <Context value={value}>
      {children}
      <div className="notices">
        <div role="status">{notices.filter((notice) => !notice.failed).map((notice) => one(notice, close))}</div>
        <div role="alert">{notices.filter((notice) => notice.failed).map((notice) => one(notice, close))}</div>
      </div>
    </Context>
  );
}

function one(notice: Notice, close: (id: number) => void) {
  return (
    <p key={notice.id} className={notice.failed ? "notice bad" : "notice good"}>
      {notice.failed ? <CircleAlert aria-hidden /> : <CircleCheck aria-hidden />}
      <span>{notice.text}</span>
      <button type="button" className="button ghost icon" aria-label="Close this notice" onClick={() => close(notice.id)}>
        <X aria-hidden />
      </button>
    </p>
  );
}
